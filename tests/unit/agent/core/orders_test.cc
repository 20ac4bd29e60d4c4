#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(Link, IsToldTheTruthOfTheKernelFirst) {
  BenchHost host;
  host.StartAgent();
  host.Feed(LinkConnected{});
  const Hello hello = host.Last<Hello>();
  EXPECT_EQ(hello.fence.mode, Mode::kOpen);
  EXPECT_EQ(hello.boot_id, "boot-1");
}

TEST(Link, ToAnotherEstateIsHungUp) {
  BenchHost host;
  host.StartAgent();
  host.Connect(1, "one", "elsewhere");
  ASSERT_THAT(host.hung_up, SizeIs(1));
  EXPECT_THAT(host.hung_up[0], HasSubstr("serves estate 'elsewhere'"));
}

TEST(Link, ThatOrdersBeforeItsWelcomeIsHungUp) {
  BenchHost host;
  host.StartAgent();
  host.Feed(LinkConnected{});
  host.Feed(OrderReceived{
      Order{.id = OrderId("r/1/0"), .what = StartUnit{"engine.service"}}});
  EXPECT_THAT(host.hung_up, SizeIs(1));
  EXPECT_EQ(host.units_started, 0);
}

TEST(Link, AnswersEachRenewalWithAHeartbeat) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.Feed(RenewalReceived{1, {}, 41});
  EXPECT_EQ(host.Last<Heartbeat>().counter, 41u);
}

TEST(Link, RemembersTheHighestEpochAcrossRestarts) {
  BenchHost host;
  host.StartAgent();
  host.Connect(5, "five");
  host.StartAgent();
  host.Feed(LinkConnected{});
  EXPECT_EQ(host.Last<Hello>().highest_epoch, 5u);
}

// Which of the two is older nobody can tell: a reign above ends it.
TEST(Link, AsksForAReignAboveWhenTwoOrchestratorsClaimOneEpoch) {
  BenchHost host;
  host.StartAgent();
  host.Connect(5, "five");
  host.Feed(LinkDown{});
  host.Connect(5, "twin");
  EXPECT_THAT(host.hung_up, SizeIs(1));
  host.Feed(LinkDown{});
  host.Feed(LinkConnected{});
  EXPECT_EQ(host.Last<Hello>().highest_epoch, 6u);
  // One that cannot begin a reign may still isolate.
  host.Feed(LinkWelcomed{5, "twin", "city-utility"});
  EXPECT_THAT(host.hung_up, SizeIs(1));
  EXPECT_EQ(host.Give("r/1/0", IsolateHost{"drill"}, 5).outcome,
            Outcome::kDone);
  host.Feed(LinkDown{});
  host.Connect(7, "twin");
  host.Feed(LinkDown{});
  host.Feed(LinkConnected{});
  EXPECT_EQ(host.Last<Hello>().highest_epoch, 7u);
}

TEST(Orders, GivenWhileTheLinkBreaksAreAnsweredWhenRepeated) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.hold_checks = true;
  host.said.clear();
  const Order order{.id = OrderId("r/1/0"),
                    .epoch = 1,
                    .what = RunChecks{{Inspection("engine/health-1")}}};
  host.Feed(OrderReceived{order});
  host.Feed(LinkDown{});
  host.Feed(host.Answer(host.held[0]));
  EXPECT_TRUE(host.All<Report>().empty());
  host.Connect();
  host.Feed(OrderReceived{order});
  EXPECT_EQ(host.Last<Report>().outcome, Outcome::kDone);
  EXPECT_EQ(host.checks_run, 1);
}

TEST(Orders, TenThousandAtOnceAreAnsweredOneByOne) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.said.clear();
  for (int i = 0; i < 10'000; ++i) {
    host.Feed(OrderReceived{Order{.id = OrderId(absl::StrCat("r/", i, "/0")),
                                  .epoch = 1,
                                  .what = Unreadable{"a flow is none"}}});
  }
  EXPECT_THAT(host.All<Report>(), SizeIs(10'000));
  EXPECT_EQ(host.Last<Report>().outcome, Outcome::kRefused);
}

TEST(Orders, BeyondWhatAHostHoldsInHandAreRefusedButIsolationIsNot) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.hold_checks = true;
  host.said.clear();
  for (int i = 0; i < 1'100; ++i) {
    host.Feed(OrderReceived{
        Order{.id = OrderId(absl::StrCat("r/", i, "/0")),
              .epoch = 1,
              .what = RunChecks{{Inspection("engine/health-1")}}}});
  }
  EXPECT_THAT(host.All<Report>(), SizeIs(1'100 - 1'024));
  EXPECT_EQ(host.Give("r/9/9", IsolateHost{"now"}).outcome, Outcome::kDone);
}

TEST(Evidence, IsOtherEvidenceEachTimeItIsFrozen) {
  // Or votes for a release order that lapsed would do for it again (S2).
  ReleasedHost host;
  const std::string before = host.evidence;
  host.Pass(absl::Minutes(3));
  host.Freeze("r/8/0", "apps/1");
  EXPECT_NE(host.evidence, before);
  host.check = [](const NamedCheck&) {
    return CheckResult{Verdict::kFail, "1 undeclared listener", ""};
  };
  host.Freeze("r/8/1", "apps/1");
  EXPECT_NE(host.evidence, before);
}

TEST(Evidence, IsATextThatNamesHostBootAndQuarantine) {
  ReleasedHost host;
  const Report report = host.Give(
      "r/8/0", FreezeEvidence{"apps/2", {Inspection("engine/inspect-1")}});
  const auto& frozen = std::get<EvidenceFrozen>(report.detail);
  EXPECT_EQ(frozen.text,
            "sluice evidence 1\n"
            "estate city-utility\n"
            "host app-1\n"
            "boot boot-1\n"
            "quarantine-number 1\n"
            "round apps/2\n"
            "frozen-at-ms 100000\n"
            "inspect engine/inspect-1 listeners ports=8080/tcp timeout=5s "
            "attempts=1 between=1s\n"
            "pass no sign found\n");
  EXPECT_EQ(frozen.digest, Sha256(frozen.text));
  EXPECT_EQ(frozen.results[0].result.said_by, "host app-1");
}

TEST(Evidence, OfAHostIsolatedMeanwhileIsNotFrozen) {
  ReleasedHost host;
  host.hold_checks = true;
  host.Feed(OrderReceived{Order{
      .id = OrderId("r/8/0"),
      .epoch = 1,
      .what = FreezeEvidence{"apps/2", {Inspection("engine/inspect-1")}}}});
  host.Give("r/9/0", IsolateHost{"again"});
  host.Feed(host.Answer(host.held[0]));
  EXPECT_EQ(host.Last<Report>().outcome, Outcome::kRefused);
  EXPECT_TRUE(host.state().evidence.empty());
}

TEST(Evidence, DoesNotSurviveAReboot) {
  ReleasedHost host;
  host.StartAgent("boot-2");
  EXPECT_TRUE(host.state().evidence.empty());
  EXPECT_TRUE(host.state().releases.empty());
}

TEST(Evidence, TakesNoControlCharactersFromAPlugin) {
  ReleasedHost host;
  host.check = [](const NamedCheck&) {
    return CheckResult{Verdict::kPass, "fine\npass \x1b[2J\xff", ""};
  };
  const Report report = host.Give(
      "r/8/0", FreezeEvidence{"apps/2", {Inspection("engine/inspect-1")}});
  EXPECT_THAT(std::get<EvidenceFrozen>(report.detail).text,
              HasSubstr("\npass fine pass  [2J?\n"));
}

TEST(Watch, ReportsTheFirstResultAndThenOnlyChanges) {
  ReleasedHost host;
  host.Give("r/4/0", host.Watching());
  EXPECT_THAT(host.All<WatchChanged>(), SizeIs(1));
  host.Pass(absl::Minutes(1));
  EXPECT_THAT(host.All<WatchChanged>(), SizeIs(1));
  EXPECT_GE(host.checks_run, 12);
  host.check = [](const NamedCheck&) {
    return CheckResult{Verdict::kFail, "connection refused", ""};
  };
  host.Pass(absl::Seconds(6));
  ASSERT_THAT(host.All<WatchChanged>(), SizeIs(2));
  EXPECT_EQ(host.Last<WatchChanged>().result.result.verdict, Verdict::kFail);
}

TEST(Watch, IsToldAgainToANewLinkAndStopsWhenAsked) {
  ReleasedHost host;
  host.Give("r/4/0", host.Watching());
  host.Feed(LinkDown{});
  host.said.clear();
  host.Connect();
  EXPECT_THAT(host.All<WatchChanged>(), SizeIs(1));
  host.Give("r/5/0", Watch{StepId("engine"), {}, absl::Seconds(5)});
  const int run = host.checks_run;
  host.Pass(absl::Minutes(1));
  EXPECT_EQ(host.checks_run, run);
}

TEST(Units, OutsideTheHostsOwnFileAreRefused) {
  ReleasedHost host;
  const Report report = host.Give("r/4/0", StartUnit{"sshd.service"});
  EXPECT_EQ(report.outcome, Outcome::kRefused);
  EXPECT_THAT(report.reason, HasSubstr("agent.yaml"));
  EXPECT_EQ(host.units_started, 0);
}

TEST(Units, AreStartedOnceHoweverOftenTheOrderComes) {
  ReleasedHost host;
  EXPECT_EQ(host.Give("r/4/0", StartUnit{"engine.service"}).outcome,
            Outcome::kDone);
  host.Give("r/4/0", StartUnit{"engine.service"});
  host.StartAgent();
  host.Connect();
  EXPECT_EQ(host.Give("r/4/0", StartUnit{"engine.service"}).outcome,
            Outcome::kDone);
  EXPECT_EQ(host.units_started, 1);
}

TEST(Tries, OfFlowsThatNobodyProposedAreRefused) {
  ReleasedHost host;
  EXPECT_EQ(host.Give("r/4/0", TryFlows{{F(kDbFlow)}}).outcome, Outcome::kDone);
  const Report report =
      host.Give("r/4/1", TryFlows{{F("tcp 10.77.0.21 10.77.0.11 22")}});
  EXPECT_EQ(report.outcome, Outcome::kRefused);
}

}  // namespace
}  // namespace sluice::agent
