#include "orchestrator/journal/memory_journal.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace sluice::journal {
namespace {

// About what a record takes on disk: its numbers, three digests, its payload.
size_t Size(const Record& record) {
  return 4 * sizeof(uint64_t) + 3 * 32 + record.payload.size();
}

template <class Records>
size_t SizeOf(const Records& records) {
  size_t bytes = 0;
  for (const Record& record : records) bytes += Size(record);
  return bytes;
}

}  // namespace

absl::Status MemoryJournal::Append(uint64_t expected,
                                   absl::Span<const Record> records) {
  ++appends_;
  if (!failure_.ok()) return failure_;
  if (records.empty()) return absl::OkStatus();
  const uint64_t last = records_.empty() ? 0 : records_.back().sequence;
  if (expected != last + 1) {
    return absl::AbortedError(absl::StrCat(
        "the journal ends at record ", last, ", not right before record ",
        expected, ": another orchestrator writes to it; stop one of them"));
  }
  if (read_only_) {
    return absl::PermissionDeniedError(
        "the journal cannot be written: its disk is mounted for reading only; "
        "mount it for writing");
  }
  if (torn_ != 0) {
    return absl::DataLossError(
        absl::StrCat("the journal is damaged after record ", torn_ - 1,
                     "; restore it from a copy"));
  }
  if (capacity_ != SIZE_MAX && bytes() + SizeOf(records) > capacity_) {
    return absl::ResourceExhaustedError(
        "the journal cannot be written: the disk is full, make room");
  }
  records_.insert(records_.end(), records.begin(), records.end());
  group_ends_.push_back(records_.back().sequence);
  if (!lying_) Sync();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Record>> MemoryJournal::Read(uint64_t sequence,
                                                        size_t limit) {
  const auto from = std::lower_bound(
      records_.begin(), records_.end(), sequence,
      [](const Record& record, uint64_t s) { return record.sequence < s; });
  const size_t count =
      std::min<size_t>(limit, static_cast<size_t>(records_.end() - from));
  std::vector<Record> read(from, from + static_cast<ptrdiff_t>(count));
  if (torn_ != 0 && !read.empty() && read.back().sequence >= torn_) {
    return absl::DataLossError(
        absl::StrCat("the journal cannot be read after record ", torn_ - 1,
                     "; it is damaged, restore it from a copy"));
  }
  return read;
}

size_t MemoryJournal::bytes() const { return SizeOf(records_); }

size_t MemoryJournal::unsynced_bytes() const {
  return SizeOf(absl::MakeConstSpan(records_).subspan(
      std::min(synced_, records_.size())));
}

size_t MemoryJournal::Crash(size_t lost) {
  const size_t before = records_.size();
  while (lost > 0 && records_.size() > synced_) {
    // The group that the last byte belongs to goes as a whole, as a
    // transaction does that is not all there.
    group_ends_.pop_back();
    const uint64_t end = group_ends_.empty() ? 0 : group_ends_.back();
    size_t group = 0;
    while (records_.size() > synced_ && records_.back().sequence > end) {
      group += Size(records_.back());
      records_.pop_back();
    }
    lost -= std::min(lost, group);
  }
  synced_ = records_.size();  // what came through is on the disk itself
  return before - records_.size();
}

void MemoryJournal::Tear(size_t left) {
  if (records_.empty()) return;
  Record& record = records_.back();
  torn_ = record.sequence;
  record.payload.resize(std::min(left, record.payload.size()));
}

}  // namespace sluice::journal
