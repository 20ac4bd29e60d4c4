#include "orchestrator/runtime/history.h"

#include <algorithm>
#include <utility>

#include "common/contract.h"

namespace sluice::runtime {

void History::Add(HistoryLine line) {
  SLUICE_CHECK(lines_.empty() || lines_.back().sequence <= line.sequence);
  lines_.push_back(std::move(line));
  if (lines_.size() > most_) lines_.pop_front();
}

std::vector<HistoryLine> History::From(uint64_t sequence, size_t limit) const {
  const auto first = std::lower_bound(
      lines_.begin(), lines_.end(), sequence,
      [](const HistoryLine& line, uint64_t s) { return line.sequence < s; });
  const auto count =
      std::min<size_t>(limit, static_cast<size_t>(lines_.end() - first));
  return {first, first + static_cast<ptrdiff_t>(count)};
}

}  // namespace sluice::runtime
