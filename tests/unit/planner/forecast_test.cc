#include "orchestrator/planner/forecast.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using testing::Estate;
using ::testing::IsEmpty;
using testing::SmallUtility;
using testing::Strings;

constexpr Remaining kDone = {absl::ZeroDuration(), absl::ZeroDuration()};
const Remaining kFailed = {absl::InfiniteDuration(), absl::InfiniteDuration()};

std::shared_ptr<const Plan> Utility() {
  Estate estate = SmallUtility();
  for (System& system : estate.model.systems) {
    system.soak = absl::Seconds(10);
    system.expected = absl::Seconds(5);
  }
  return estate.Planned();
}

// What is left of each step: by name, or the whole.
std::function<Remaining(const PlannedStep&)> Left(
    std::map<std::string, Remaining> known) {
  return [known = std::move(known)](const PlannedStep& step) {
    const auto at = known.find(step.id.str());
    return at != known.end() ? at->second : WholeDuration(step);
  };
}

TEST(WholeDuration, IsARangeWhenNobodyMeasured) {
  PlannedStep step;
  step.soak = absl::Seconds(30);
  EXPECT_EQ(WholeDuration(step).low, absl::Seconds(32));
  EXPECT_EQ(WholeDuration(step).high, absl::Seconds(90));
  step.expected = absl::Seconds(10);
  EXPECT_EQ(WholeDuration(step).low, absl::Seconds(40));
  EXPECT_EQ(WholeDuration(step).high, absl::Seconds(40));
}

TEST(Forecast, LetsSoaksOverlapInsideAStageAndNotAcrossStages) {
  const auto plan = Utility();
  const ForecastResult forecast = Forecast(*plan, WholeDuration);
  const auto end = [&](const char* id) {
    return forecast.steps.at(StepId(id)).low;
  };
  EXPECT_EQ(end("name-service"), absl::Seconds(15));
  EXPECT_EQ(end("directory"), absl::Seconds(20));  // from 5s on
  EXPECT_EQ(end("billing-db"), absl::Seconds(35));
  EXPECT_EQ(end("billing-engine"), absl::Seconds(50));
  EXPECT_EQ(end("portal"), absl::Seconds(55));
  // Entries were never measured: 2 to 60 seconds, and 10 of soak, each after
  // the soak of the one before.
  EXPECT_EQ(end("pilot-office>portal:https"), absl::Seconds(67));
  EXPECT_EQ(end("citizens>portal:https"), absl::Seconds(79));
  EXPECT_EQ(forecast.estate.low, absl::Seconds(79));
  EXPECT_EQ(forecast.estate.high, absl::Seconds(55 + 70 + 70));
  EXPECT_THAT(
      Strings(forecast.critical_path),
      ElementsAre("name-service", "directory", "billing-db", "billing-engine",
                  "portal", "pilot-office>portal:https",
                  "citizens>portal:https"));
}

TEST(Forecast, CountsFromNow) {
  const auto plan = Utility();
  const ForecastResult forecast = Forecast(
      *plan, Left({{"name-service", kDone},
                   {"directory", kDone},
                   {"billing-db", {absl::Seconds(4), absl::Seconds(4)}}}));
  EXPECT_EQ(forecast.steps.at(StepId("name-service")).high,
            absl::ZeroDuration());
  EXPECT_EQ(forecast.steps.at(StepId("billing-engine")).high,
            absl::Seconds(19));
  EXPECT_EQ(forecast.critical_path.front(), StepId("billing-db"));
}

TEST(Forecast, IsOverWhenAllIsBack) {
  const auto plan = Utility();
  const ForecastResult forecast =
      Forecast(*plan, [](const PlannedStep&) { return kDone; });
  EXPECT_EQ(forecast.estate.high, absl::ZeroDuration());
  EXPECT_THAT(forecast.critical_path, IsEmpty());
}

TEST(Forecast, IsInfiniteForAllThatNeedsWhatFailed) {
  const auto plan = Utility();
  const ForecastResult forecast =
      Forecast(*plan, Left({{"directory", kFailed}}));
  const auto end = [&](const char* id) {
    return forecast.steps.at(StepId(id)).high;
  };
  EXPECT_EQ(end("directory"), absl::InfiniteDuration());
  EXPECT_EQ(end("billing-engine"), absl::InfiniteDuration());
  EXPECT_EQ(end("citizens>portal:https"), absl::InfiniteDuration());
  // billing-db needs it softly: its stage is settled by a failure too.
  EXPECT_EQ(end("billing-db"), absl::Seconds(30));
  EXPECT_EQ(forecast.estate.high, absl::InfiniteDuration());
  EXPECT_THAT(Strings(forecast.critical_path),
              ElementsAre("name-service", "billing-db"));
}

TEST(Forecast, DoesNotHoldUpWhatHasBegun) {
  const auto plan = Utility();
  Remaining soaking = {absl::Seconds(3), absl::Seconds(3)};
  const auto end = [&](const Remaining& left) {
    return Forecast(*plan, Left({{"portal", left}}))
        .steps.at(StepId("portal"))
        .high;
  };
  EXPECT_EQ(end(soaking), absl::Seconds(43));  // its turn comes after 40s
  soaking.started = true;                      // an earlier stage is retried
  EXPECT_EQ(end(soaking), absl::Seconds(3));
}

TEST(WhatIf, TakesAHostAway) {
  const auto plan = Utility();
  WhatIf one_gone;
  one_gone.without = {HostId("app-1")};  // one of two is enough
  EXPECT_EQ(Forecast(*plan, WholeDurationIf(one_gone)).estate.high,
            Forecast(*plan, WholeDuration).estate.high);
  WhatIf both_gone;
  both_gone.without = {HostId("app-1"), HostId("app-2")};
  const ForecastResult forecast = Forecast(*plan, WholeDurationIf(both_gone));
  EXPECT_EQ(forecast.steps.at(StepId("portal")).low, absl::InfiniteDuration());
  EXPECT_LT(forecast.steps.at(StepId("billing-db")).high,
            absl::InfiniteDuration());
}

TEST(WhatIf, MakesASystemSlow) {
  const auto plan = Utility();
  WhatIf what_if;
  what_if.slow[SystemId("billing-db")] = absl::Minutes(20);
  EXPECT_EQ(Forecast(*plan, WholeDurationIf(what_if)).estate.low,
            Forecast(*plan, WholeDuration).estate.low + absl::Minutes(20) -
                absl::Seconds(5));
}

TEST(Lateness, TellsWhatIsSurelyLateFromWhatMayBe) {
  Estate estate = SmallUtility();
  estate.model.wanted_by = absl::Minutes(1);
  estate.Get("portal").wanted_by = absl::Minutes(2);
  estate.Get("name-service").wanted_by = absl::Hours(1);
  const auto plan = estate.Planned();
  const auto late = LateSteps(*plan, Forecast(*plan, WholeDuration));
  ASSERT_EQ(late.size(), 2u);
  EXPECT_TRUE(late[0].step.empty());
  EXPECT_TRUE(late[0].surely);
  EXPECT_EQ(late[1].step, StepId("portal"));
  EXPECT_FALSE(late[1].surely);
}

}  // namespace
}  // namespace sluice
