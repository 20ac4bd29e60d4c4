#include "orchestrator/report/time_text.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace sluice {
namespace {

TEST(TimeText, SaysTheTwoLargestUnits) {
  EXPECT_EQ(SpanText(absl::Seconds(-3)), "0s");
  EXPECT_EQ(SpanText(absl::Seconds(45)), "45s");
  EXPECT_EQ(SpanText(absl::Seconds(130)), "2m10s");
  EXPECT_EQ(SpanText(absl::Minutes(185)), "3h05m");
  EXPECT_EQ(SpanText(absl::Hours(52)), "2d04h");
  EXPECT_EQ(RoughSpanText(absl::Seconds(130)), "3m");
  EXPECT_EQ(RoughSpanText(absl::Seconds(40)), "40s");
}

TEST(TimeText, IsLocal) {
  setenv("TZ", "UTC", 1);
  EXPECT_EQ(ClockText(1795255330000), "10:02:10");
  EXPECT_EQ(DateTimeText(1795255330000), "2026-11-21 10:02:10");
  EXPECT_EQ(ClockText(0), "--:--:--");
  EXPECT_EQ(RangeText(1795255330000, 1795255450000), "10:02–10:04");
  EXPECT_EQ(RangeText(1795255330000, 1795255331000), "10:02");
}

}  // namespace
}  // namespace sluice
