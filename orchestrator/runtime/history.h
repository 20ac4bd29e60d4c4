// The lines of a journal in words, newest kept: rebuilt by replaying, bounded.

#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "orchestrator/runtime/ports.h"

namespace sluice::runtime {

class History {
 public:
  explicit History(size_t most = 100'000) : most_(most) {}

  // REQUIRES: sequences do not go down.
  void Add(HistoryLine line);

  // The first `limit` lines at or after `sequence`.
  std::vector<HistoryLine> From(uint64_t sequence, size_t limit) const;

  size_t size() const { return lines_.size(); }

 private:
  const size_t most_;
  std::deque<HistoryLine> lines_;
};

}  // namespace sluice::runtime
