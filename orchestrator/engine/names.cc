#include "orchestrator/engine/names.h"

#include "absl/strings/str_cat.h"
#include "common/nearest.h"

namespace sluice::engine {

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
  const std::string near = Nearest(name, known);
  return near.empty() ? "" : absl::StrCat("; did you mean '", near, "'?");
}

}  // namespace sluice::engine
