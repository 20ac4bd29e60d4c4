// A journal in memory: the twin of SqliteJournal for tests and the simulator,
// on a disk that can fill, refuse, lie and lose what it has not synced.
//
// One Append is one transaction, as in SqliteJournal: after a crash it is
// there as a whole or not at all. A disk that does not answer is no state of a
// journal but of whoever waits for it: see runtime::DirectWriter.

#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "orchestrator/journal/journal.h"

namespace sluice::journal {

class MemoryJournal : public Journal {
 public:
  absl::Status Append(uint64_t expected,
                      absl::Span<const Record> records) override;
  absl::StatusOr<std::vector<Record>> Read(uint64_t sequence,
                                           size_t limit) override;

  // ── a disk that does not take it ──────────────────────────────────────────

  // Every Append fails with this until it is OK again; nothing is kept.
  void FailWith(absl::Status status) { failure_ = std::move(status); }
  // How many bytes of records fit in all; a group that does not fit fails with
  // ResourceExhausted and leaves no trace.
  void set_capacity(size_t bytes) { capacity_ = bytes; }
  // Every Append fails with PermissionDenied.
  void set_read_only(bool read_only) { read_only_ = read_only; }

  // ── a disk that forgets ───────────────────────────────────────────────────

  // From now on appended records stay in the cache, as on a disk that lies
  // about its writes, until Sync(). A disk that does not lie syncs each Append.
  void set_lying(bool lying) { lying_ = lying; }
  void Sync() { synced_ = records_.size(); }
  // Of the records not synced: what a crash may lose.
  size_t unsynced_bytes() const;
  // The power goes: the last `lost` of the bytes not synced are gone, and with
  // them every transaction that is no longer whole. Returns how many records
  // that were acknowledged are gone.
  size_t Crash(size_t lost);
  // The same, of all that is not synced.
  void LosePower() { Crash(unsynced_bytes()); }
  // The disk breaks: of the newest record only the first `left` bytes can be
  // read, synced or not. Reading it is DataLoss from then on.
  void Tear(size_t left);

  // What is there, to look at and to damage.
  std::vector<Record>& records() { return records_; }
  int appends() const { return appends_; }
  size_t bytes() const;

 private:
  std::vector<Record> records_;
  std::vector<uint64_t> group_ends_;  // the last sequence of each Append
  size_t synced_ = 0;                 // of records_
  uint64_t torn_ = 0;                 // sequence; 0: none is
  bool lying_ = false;
  bool read_only_ = false;
  size_t capacity_ = SIZE_MAX;
  int appends_ = 0;
  absl::Status failure_;
};

}  // namespace sluice::journal
