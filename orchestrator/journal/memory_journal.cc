#include "orchestrator/journal/memory_journal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sluice::journal {

absl::Status MemoryJournal::Append(uint64_t expected,
                                   absl::Span<const Record> records) {
  ++appends_;
  if (!failure_.ok()) return failure_;
  const uint64_t last = records_.empty() ? 0 : records_.back().sequence;
  if (expected != last + 1) {
    return absl::AbortedError(absl::StrCat(
        "the journal ends at record ", last, ", not right before record ",
        expected, ": another orchestrator writes to it; stop one of them"));
  }
  records_.insert(records_.end(), records.begin(), records.end());
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
  return std::vector<Record>(from, from + static_cast<ptrdiff_t>(count));
}

}  // namespace sluice::journal
