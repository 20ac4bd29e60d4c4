// Words for sentences: lists, times, and the name somebody may have meant.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sluice::engine {

// "a", "a and b", "a, b and c"; past `most` names: "a, b and 7 more".
std::string NameList(const std::vector<std::string>& names, size_t most = 5);

// "10:41 UTC".
std::string ClockText(absl::Time time);

// "; did you mean 'billing-db'?" when one of `known` is close to `name`,
// otherwise nothing.
std::string DidYouMean(absl::string_view name,
                       const std::vector<std::string>& known);

// "1 step", "3 steps".
inline std::string Count(size_t number, absl::string_view one) {
  return absl::StrCat(number, " ", one, number == 1 ? "" : "s");
}

// "an incident-commander", "a system-owner".
inline std::string A(absl::string_view noun) {
  const bool vowel = !noun.empty() && absl::string_view("aeiou").find(
                                          noun[0]) != absl::string_view::npos;
  return absl::StrCat(vowel ? "an " : "a ", noun);
}

// The texts of ids, in their order.
template <class Ids>
std::vector<std::string> Texts(const Ids& ids) {
  std::vector<std::string> texts;
  for (const auto& id : ids) texts.push_back(id.str());
  return texts;
}

// ": why", or nothing when nobody said why.
inline std::string Because(absl::string_view why) {
  return why.empty() ? std::string() : absl::StrCat(": ", why);
}

}  // namespace sluice::engine
