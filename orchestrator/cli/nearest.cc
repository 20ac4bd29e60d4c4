#include "orchestrator/cli/nearest.h"

#include <algorithm>

namespace sluice::cli {
namespace {

constexpr size_t kLongestName = 256;

size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Nearest(absl::string_view typed,
                    const std::vector<std::string>& names) {
  std::string best;
  size_t least = std::max<size_t>(1, typed.size() / 3) + 1;
  if (typed.size() > kLongestName) return best;
  for (const std::string& name : names) {
    if (name.size() > kLongestName) continue;
    const size_t distance = Distance(typed, name);
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace sluice::cli
