#include "orchestrator/planner/chances.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "orchestrator/planner/forecast_report.h"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using testing::Estate;
using ::testing::HasSubstr;
using ::testing::Not;

// portal needs db; nothing else. Soak 10s each.
Estate TwoTiers() {
  Estate estate;
  estate.AddHost("h1", {"10.0.0.1"});
  estate.AddHost("h2", {"10.0.0.2"});
  estate.AddSystem("db", {"h1"}, {"sql=5432/tcp"}).expected = absl::Seconds(5);
  estate.AddSystem("portal", {"h2"}, {"web=80/tcp"}).expected =
      absl::Seconds(5);
  estate.Needs("portal", "db:sql");
  estate.AddStage("all", {"db", "portal"});
  return estate;
}

TEST(Chances, AreTheSameForTheSameSeed) {
  const auto plan = TwoTiers().Planned();
  const Measured measured = {
      {StepId("db"), {absl::Seconds(1), absl::Seconds(9), absl::Seconds(4)}}};
  const Chances one = Simulate(*plan, {}, measured, 7, 500);
  const Chances two = Simulate(*plan, {}, measured, 7, 500);
  const Chances other = Simulate(*plan, {}, measured, 8, 500);
  EXPECT_EQ(one.estate.p50, two.estate.p50);
  EXPECT_EQ(one.estate.p90, two.estate.p90);
  EXPECT_NE(one.estate.p50, other.estate.p50);
  EXPECT_NEAR(absl::ToDoubleSeconds(one.estate.p50),
              absl::ToDoubleSeconds(other.estate.p50), 1);
}

TEST(Chances, StayWithinWhatWasMeasured) {
  const auto plan = TwoTiers().Planned();
  const Measured measured = {
      {StepId("db"), {absl::Seconds(2), absl::Seconds(4)}},
      {StepId("portal"), {absl::Seconds(1), absl::Seconds(3)}}};
  const Chances chances = Simulate(*plan, {}, measured, 1, 1000);
  const Quantiles& db = chances.steps.at(StepId("db"));
  EXPECT_GE(db.p50, absl::Seconds(12));
  EXPECT_LE(db.p90, absl::Seconds(14));
  // Evenly between 12s and 14s: half by 13s, nine of ten by 13.8s.
  EXPECT_NEAR(absl::ToDoubleSeconds(db.p50), 13, 0.15);
  EXPECT_NEAR(absl::ToDoubleSeconds(db.p90), 13.8, 0.15);
  const WhatIf nothing;
  const ForecastResult range =
      Forecast(*plan, WholeDurationFrom(nothing, measured));
  EXPECT_GE(chances.estate.p50, range.estate.low);
  EXPECT_LE(chances.estate.p90, range.estate.high);
  EXPECT_EQ(range.steps.at(StepId("db")).low, absl::Seconds(12));
  EXPECT_EQ(range.steps.at(StepId("db")).high, absl::Seconds(14));
}

TEST(Chances, OfOneMeasuringAreThatOne) {
  const auto plan = TwoTiers().Planned();
  const Measured measured = {{StepId("db"), {absl::Seconds(3)}},
                             {StepId("portal"), {absl::Seconds(2)}}};
  const Chances chances = Simulate(*plan, {}, measured, 1, 100);
  EXPECT_EQ(chances.steps.at(StepId("db")).p50, absl::Seconds(13));
  EXPECT_EQ(chances.estate.p50, chances.estate.p90);
}

TEST(Chances, OfWhatHasLostItsHostsAreNone) {
  const auto plan = TwoTiers().Planned();
  const WhatIf what_if = {.without = {HostId("h1")}};
  const Measured measured = {{StepId("db"), {absl::Seconds(3)}}};
  const Chances chances = Simulate(*plan, what_if, measured, 1, 100);
  EXPECT_EQ(chances.estate.p50, absl::InfiniteDuration());
  EXPECT_EQ(chances.steps.at(StepId("portal")).p90, absl::InfiniteDuration());
}

TEST(Chances, AreTheSumsOfAHandMadePlan) {
  // db 2s or 4s, portal 1s or 3s: nothing between when both are measured so
  // often that neighbours are alike. 3s, 5s (twice) and 7s, then 10s of soak.
  const std::vector<absl::Duration> low_high = [] {
    std::vector<absl::Duration> all(25, absl::Seconds(0));
    all.resize(50, absl::Seconds(2));
    return all;
  }();
  Measured measured;
  for (const absl::Duration extra : low_high) {
    measured[StepId("db")].push_back(absl::Seconds(2) + extra);
    measured[StepId("portal")].push_back(absl::Seconds(1) + extra);
  }
  const Chances chances =
      Simulate(*TwoTiers().Planned(), {}, measured, 3, 2000);
  EXPECT_EQ(chances.estate.p50, absl::Seconds(15));
  EXPECT_EQ(chances.estate.p90, absl::Seconds(17));
  EXPECT_EQ(chances.steps.at(StepId("db")).p90, absl::Seconds(14));
}

TEST(Chances, OfTheUnmeasuredDoubleAsOftenLowAsHigh) {
  Estate estate = TwoTiers();
  estate.Get("portal").expected = absl::ZeroDuration();
  const Measured measured = {{StepId("db"), {absl::Seconds(3)}}};
  const Chances chances = Simulate(*estate.Planned(), {}, measured, 1, 2000);
  // From 2s to 60s, half below their geometric mean of 11s; after 3s of db.
  EXPECT_NEAR(absl::ToDoubleSeconds(chances.estate.p50), 3 + 10.95 + 10, 1);
  EXPECT_LE(chances.estate.p90, absl::Seconds(3 + 60 + 10));
}

TEST(Chances, SayWhichPathDecidesMostOften) {
  Estate estate = TwoTiers();
  estate.AddHost("h3", {"10.0.0.3"});
  estate.AddSystem("mail", {"h3"}, {"smtp=25/tcp"});
  estate.model.stages.back().systems.push_back(SystemId("mail"));
  // db and portal take 8s; mail 4s or 12s, three times of four the former.
  Measured measured = {{StepId("db"), {absl::Seconds(4)}},
                       {StepId("portal"), {absl::Seconds(4)}}};
  std::vector<absl::Duration>& mail = measured[StepId("mail")];
  mail.assign(75, absl::Seconds(4));
  mail.resize(100, absl::Seconds(12));
  const Chances chances = Simulate(*estate.Planned(), {}, measured, 5, 2000);
  EXPECT_THAT(testing::Strings(chances.critical_path),
              ::testing::ElementsAre("db", "portal"));
  EXPECT_NEAR(chances.path_share, 0.75, 0.04);
}

TEST(Chances, SayWhatIsLateInHalfOfTheTrialsAndInOneOfTen) {
  Estate estate = TwoTiers();
  estate.model.wanted_by = absl::Seconds(17);
  estate.Get("db").wanted_by = absl::Minutes(1);
  const Measured measured = {
      {StepId("db"), {absl::Seconds(2), absl::Seconds(4)}},
      {StepId("portal"), {absl::Seconds(3), absl::Seconds(5)}}};
  const auto plan = estate.Planned();
  const Chances chances = Simulate(*plan, {}, measured, 1, 1000);
  // 15s to 19s, 17s in the middle; nine of ten by 18.1s.
  const auto late = LateInTrials(*plan, chances);
  ASSERT_EQ(late.size(), 1u);
  EXPECT_TRUE(late[0].step.empty());
  EXPECT_NEAR(absl::ToDoubleSeconds(late[0].back.p90), 18.1, 0.2);
}

TEST(ForecastText, TellsPeoplesTimeApart) {
  const auto plan = TwoTiers().Planned();
  ForecastQuestion question;
  question.asked[StageId("all")] = {absl::Minutes(20), absl::Minutes(5),
                                    absl::Minutes(12)};
  const std::string text = ForecastText(*plan, question, {});
  EXPECT_THAT(text, HasSubstr("People, on top of all that\n  all  gate: "));
  EXPECT_THAT(text, HasSubstr("took 12m (median of 3)"));
  EXPECT_THAT(text, HasSubstr("Machines need 20s"));
  const auto json = nlohmann::json::parse(ForecastJson(*plan, question));
  EXPECT_EQ(json["people"]["asked"]["all"]["median_ms"], 12 * 60 * 1000);
}

TEST(ForecastText, SaysWhatTheMachinesNeedAndWhatIsLate) {
  Estate estate = TwoTiers();
  estate.Get("portal").wanted_by = absl::Seconds(15);
  const auto plan = estate.Planned();
  const std::string text = ForecastText(*plan, {}, {});
  EXPECT_THAT(text, HasSubstr("Machines need 20s until everything is back."));
  EXPECT_THAT(text, HasSubstr("What people take at 1 gate comes on top"));
  EXPECT_THAT(text, HasSubstr("Late: portal is wanted by 15s and back after "
                              "20s"));
  EXPECT_THAT(text, HasSubstr("Critical path: db 15s -> portal 20s"));
  EXPECT_THAT(text, Not(HasSubstr("Measured")));
}

TEST(ForecastText, SaysWhatNeverComesBackAndWhy) {
  const auto plan = TwoTiers().Planned();
  ForecastQuestion question;
  question.what_if.without = {HostId("h1")};
  question.what_if.slow[SystemId("portal")] = absl::Minutes(20);
  const std::string text = ForecastText(*plan, question, {});
  EXPECT_THAT(text, HasSubstr("What if: without h1, portal taking 20m."));
  EXPECT_THAT(text, HasSubstr("Never: db has fewer hosts than are enough; 1 "
                              "step waits for that in vain."));
}

TEST(ForecastJson, HasMillisecondsAndNullForNever) {
  const auto plan = TwoTiers().Planned();
  ForecastQuestion question;
  question.measured = {{StepId("db"), {absl::Seconds(3)}}};
  auto json = nlohmann::json::parse(ForecastJson(*plan, question));
  EXPECT_EQ(json["estate"]["high_ms"], 18000);
  // 13s of db's soak and connecting, then portal's 15s less db's soak: 5s
  // expected, a quarter more or less.
  EXPECT_NEAR(json["estate"]["p50_ms"].get<double>(), 18000, 200);
  EXPECT_NEAR(json["estate"]["p90_ms"].get<double>(), 19000, 200);
  EXPECT_EQ(json["usual_path"]["share"], 1.0);
  EXPECT_EQ(json["steps"][0]["step"], "db");
  question.what_if.without = {HostId("h1")};
  json = nlohmann::json::parse(ForecastJson(*plan, question));
  EXPECT_TRUE(json["estate"]["high_ms"].is_null());
}

}  // namespace
}  // namespace sluice
