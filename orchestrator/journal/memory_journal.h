// A journal in memory: the twin of SqliteJournal for tests and the simulator.
// It can fail, and can lose its tail as a disk without power does.

#pragma once

#include <vector>

#include "orchestrator/journal/journal.h"

namespace sluice::journal {

class MemoryJournal : public Journal {
 public:
  absl::Status Append(uint64_t expected,
                      absl::Span<const Record> records) override;
  absl::StatusOr<std::vector<Record>> Read(uint64_t sequence,
                                           size_t limit) override;

  // Every Append fails with this until it is OK again; nothing is kept.
  void FailWith(absl::Status status) { failure_ = std::move(status); }

  // From now on appended records stay in the cache, as on a disk that lies
  // about its writes, until Sync(); LosePower() forgets those not synced.
  void set_lying(bool lying) { lying_ = lying; }
  void Sync() { synced_ = records_.size(); }
  void LosePower() { records_.resize(synced_); }

  // What is there, to look at and to damage.
  std::vector<Record>& records() { return records_; }
  int appends() const { return appends_; }

 private:
  std::vector<Record> records_;
  size_t synced_ = 0;
  bool lying_ = false;
  int appends_ = 0;
  absl::Status failure_;
};

}  // namespace sluice::journal
