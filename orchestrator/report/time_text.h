// Times as people read them: local clock time, durations, ranges.
//
// Milliseconds are Unix time, as the contracts carry it; 0 is "not known".

#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace sluice {

// "14:02:10" in local time; "--:--:--" when not known.
std::string ClockText(int64_t unix_ms);
// "14:02"; "--:--" when not known.
std::string MinuteText(int64_t unix_ms);
// "2026-11-21 14:02:10".
std::string DateTimeText(int64_t unix_ms);

// The two largest units that say something: "0s", "45s", "2m10s", "3h05m",
// "2d04h". Negative durations read as "0s".
std::string SpanText(absl::Duration duration);
std::string SpanTextMs(int64_t ms);

// A rough length for a forecast: "under a minute" is the caller's wording;
// this rounds up to whole minutes beyond 90 s: "40s", "2m", "1h10m".
std::string RoughSpanText(absl::Duration duration);

// "14:20–14:24", or "14:20" when both fall into one minute.
std::string RangeText(int64_t low_ms, int64_t high_ms);

}  // namespace sluice
