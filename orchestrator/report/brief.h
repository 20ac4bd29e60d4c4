// The brief: one page for the people who have to know where things stand.
//
// At most kBriefLines lines of kBriefWidth columns, whatever the estate's
// size: what does not fit is counted, never left out in silence.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sluice/v1/operator.pb.h"

namespace sluice {

inline constexpr int kBriefLines = 60;
inline constexpr int kBriefWidth = 80;

// `language` is "en" or "es"; another is InvalidArgument. `history` may be
// empty, and then older decisions than the gates' present votes are missing.
// REQUIRES: both made printable (see layout.h).
absl::StatusOr<std::string> BriefText(const v1::Status& status,
                                      const v1::History& history,
                                      absl::string_view language);

// The same facts as JSON: keys sorted, times as Unix milliseconds.
std::string BriefJson(const v1::Status& status, const v1::History& history);

}  // namespace sluice
