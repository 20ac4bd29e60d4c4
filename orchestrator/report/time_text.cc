#include "orchestrator/report/time_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice {
namespace {

std::string Format(const char* format, int64_t unix_ms) {
  return absl::FormatTime(format, absl::FromUnixMillis(unix_ms),
                          absl::LocalTimeZone());
}

}  // namespace

std::string ClockText(int64_t unix_ms) {
  return unix_ms == 0 ? "--:--:--" : Format("%H:%M:%S", unix_ms);
}

std::string MinuteText(int64_t unix_ms) {
  return unix_ms == 0 ? "--:--" : Format("%H:%M", unix_ms);
}

std::string DateTimeText(int64_t unix_ms) {
  return unix_ms == 0 ? "not known" : Format("%Y-%m-%d %H:%M:%S", unix_ms);
}

std::string SpanText(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds <= 0) return "0s";
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) {
    return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  }
  if (seconds < 86400) {
    return absl::StrFormat("%dh%02dm", seconds / 3600, seconds / 60 % 60);
  }
  return absl::StrFormat("%dd%02dh", seconds / 86400, seconds / 3600 % 24);
}

std::string SpanTextMs(int64_t ms) {
  return SpanText(absl::Milliseconds(ms));
}

std::string RoughSpanText(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds <= 90) return SpanText(duration);
  const int64_t minutes = (seconds + 59) / 60;
  if (minutes < 60) return absl::StrCat(minutes, "m");
  return absl::StrFormat("%dh%02dm", minutes / 60, minutes % 60);
}

std::string RangeText(int64_t low_ms, int64_t high_ms) {
  const std::string low = MinuteText(low_ms);
  if (high_ms <= low_ms) return low;
  const std::string high = MinuteText(high_ms);
  return low == high ? low : absl::StrCat(low, "–", high);
}

}  // namespace sluice
