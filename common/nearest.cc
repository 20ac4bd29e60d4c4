#include "common/nearest.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace sluice {
namespace {

// Nobody mistypes by so little; and it bounds the work.
constexpr size_t kMaxCompared = 128;

// Insertions, deletions, exchanges, and swaps of neighbours; more than `limit`
// is all the same.
int Distance(absl::string_view a, absl::string_view b, int limit) {
  const int n = static_cast<int>(a.size()), m = static_cast<int>(b.size());
  if (std::abs(n - m) > limit) return limit + 1;
  std::vector<int> before(m + 1), last(m + 1), row(m + 1);
  for (int j = 0; j <= m; ++j) last[j] = j;
  for (int i = 1; i <= n; ++i) {
    row[0] = i;
    for (int j = 1; j <= m; ++j) {
      const int exchange = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + exchange});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[m];
}

}  // namespace

std::string Nearest(absl::string_view typed,
                    const std::vector<std::string>& candidates) {
  if (typed.empty() || typed.size() > kMaxCompared) return "";
  // A third of the word may be wrong, at least one letter.
  int best = std::max<int>(1, static_cast<int>(typed.size()) / 3) + 1;
  std::string found;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxCompared) continue;
    const int distance = Distance(typed, candidate, best - 1);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

}  // namespace sluice
