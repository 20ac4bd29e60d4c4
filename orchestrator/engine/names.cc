#include "orchestrator/engine/names.h"

#include <algorithm>
#include <numeric>

namespace sluice::engine {
namespace {

// Levenshtein's distance; names are short (the manifest room bounds them).
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

constexpr size_t kLongestName = 256;

}  // namespace

std::string NameList(const std::vector<std::string>& names, size_t most) {
  if (names.empty()) return "nothing";
  const size_t shown = names.size() > most ? most : names.size();
  std::string text = names[0];
  for (size_t i = 1; i < shown; ++i) {
    const bool last = i + 1 == names.size();
    absl::StrAppend(&text, last ? " and " : ", ", names[i]);
  }
  if (shown < names.size()) {
    absl::StrAppend(&text, " and ", names.size() - shown, " more");
  }
  return text;
}

std::string ClockText(absl::Time time) {
  return absl::StrCat(absl::FormatTime("%H:%M", time, absl::UTCTimeZone()),
                      " UTC");
}

std::string DidYouMean(absl::string_view name,
                       const std::vector<std::string>& known) {
  if (name.empty() || name.size() > kLongestName) return "";
  const std::string* best = nullptr;
  size_t best_distance = 1 + std::max<size_t>(1, name.size() / 3);
  for (const std::string& candidate : known) {
    const size_t distance = Distance(name, candidate);
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  if (best == nullptr) return "";
  return absl::StrCat("; did you mean '", *best, "'?");
}

}  // namespace sluice::engine
