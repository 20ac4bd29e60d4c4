// What people may ask for, when, and what comes of it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "orchestrator/engine/engine.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/names.h"
#include "tests/scenarios/fake_world.h"
#include "tests/unit/engine/test_plan.h"

namespace sluice::engine {
namespace {

using ::sluice::testing::FakeWorld;
using ::sluice::testing::kUtility;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

void Isolate(FakeWorld& world) {
  ASSERT_EQ(world.Adopt(kUtility), absl::OkStatus());
  world.ConnectAll();
  IsolationOrdered isolate;
  isolate.by = OperatorId("duty-commander");
  ASSERT_EQ(world.Isolate(isolate), absl::OkStatus());
}

void Begin(FakeWorld& world) {
  Isolate(world);
  ASSERT_EQ(world.Start("duty-commander"), absl::OkStatus());
}

DecisionMade Go(const std::string& gate, const std::string& by,
                const std::string& digest) {
  DecisionMade decision;
  decision.gate = StageId(gate);
  decision.round = 1;
  decision.by = OperatorId(by);
  decision.roles = {RoleId("incident-commander")};
  decision.go = true;
  decision.body_digest = digest;
  return decision;
}

Vote VoteOf(const std::string& by, const std::vector<std::string>& roles) {
  Vote vote;
  vote.decision.by = OperatorId(by);
  for (const std::string& role : roles) vote.decision.roles.emplace_back(role);
  return vote;
}

TEST(Quorum, SeatsPeopleSoThatItIsMetIfItCanBe) {
  const std::map<RoleId, int> quorum = {{RoleId("commander"), 1},
                                        {RoleId("lead"), 1}};
  // Whoever comes first takes a seat that only they could have left free.
  EXPECT_THAT(MissingVotes(quorum, {VoteOf("a", {"commander", "lead"}),
                                    VoteOf("b", {"commander"})}),
              IsEmpty());
  EXPECT_THAT(MissingVotes(quorum, {VoteOf("a", {"commander", "lead"})}),
              SizeIs(1));
}

TEST(Quorum, CountsNobodyForTwoRoles) {
  const std::map<RoleId, int> quorum = {{RoleId("commander"), 2}};
  EXPECT_THAT(MissingVotes(quorum, {VoteOf("a", {"commander"})}),
              ElementsAre(Pair(RoleId("commander"), 1)));
}

TEST(Gate, RefusesADecisionAboutAnotherBody) {
  FakeWorld world;
  Begin(world);
  const absl::Status status = world.engine().Admit(
      Go("foundations", "duty-commander", "sha256:another"), world.now());
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("changed since you looked: run `sluice show"));
}

TEST(Gate, IgnoresADecisionThatWasNotAdmitted) {
  FakeWorld world;
  Begin(world);
  const std::string before = world.engine().MakeView(world.now()).gates[0].why;
  world.Tell(Go("foundations", "duty-commander", "sha256:another"));
  EXPECT_EQ(world.engine().MakeView(world.now()).gates[0].why, before);
}

TEST(Gate, IsVoidWhenAHostOfItIsIsolated) {
  FakeWorld world;
  Begin(world);
  const std::string digest =
      world.engine().MakeView(world.now()).gates[0].body_digest;
  IsolationOrdered isolate;
  isolate.scope = IsolationOrdered::Scope::kHost;
  isolate.host = HostId("db-1");
  isolate.by = OperatorId("billing-owner");
  ASSERT_EQ(world.Isolate(isolate), absl::OkStatus());
  EXPECT_EQ(world.engine()
                .Admit(Go("foundations", "duty-commander", digest), world.now())
                .code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(world.StepNamed("database").state, "quarantined");
}

TEST(Gate, ShowsItsBodyWhichIsWhatTheDigestIsOf) {
  FakeWorld world;
  Begin(world);
  const auto detail =
      world.engine().MakeGateDetail(StageId("foundations"), world.now());
  ASSERT_TRUE(detail.ok());
  const auto order = ReleaseOrder::Parse(detail->body);
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->Digest(), detail->gate.body_digest);
  EXPECT_EQ(order->hosts.size(), 2u);
  EXPECT_EQ(detail->evidence.size(), 2u);
  EXPECT_FALSE(
      world.engine().MakeGateDetail(StageId("nothing"), world.now()).ok());
}

TEST(Isolation, CountsHostsThatWereReadBackAndNamesTheOthers) {
  FakeWorld world;
  ASSERT_EQ(world.Adopt(kUtility), absl::OkStatus());
  world.Connect(HostId("db-1"));
  world.Connect(HostId("web-1"));
  world.agent(HostId("web-1")).silent = true;
  IsolationOrdered isolate;
  isolate.by = OperatorId("duty-commander");
  ASSERT_EQ(world.Isolate(isolate), absl::OkStatus());
  const Engine::IsolationProgress progress =
      world.engine().IsolationSince(world.sequence() - 1);
  EXPECT_EQ(progress.hosts, 5);
  EXPECT_EQ(progress.read_back, 1);
  EXPECT_THAT(progress.waiting_for, ElementsAre(HostId("web-1")));
  EXPECT_THAT(progress.unreachable, SizeIs(3));
  EXPECT_EQ(world.engine().IsolationSince(world.sequence() + 1).hosts, 0);
}

TEST(Isolation, IsNotDoneUntilTheKernelShowsTheFence) {
  FakeWorld world;
  ASSERT_EQ(world.Adopt(kUtility), absl::OkStatus());
  const HostId host("db-1");
  world.Step(world.agent(host).Hello(world.now()));
  IsolationOrdered isolate;
  isolate.scope = IsolationOrdered::Scope::kHost;
  isolate.host = host;
  isolate.by = OperatorId("duty-commander");
  world.Step(isolate);
  const std::vector<Order> orders = world.engine().Outstanding(host);
  ASSERT_THAT(orders, SizeIs(1));
  OrderReported report;
  report.order = orders[0].id;
  report.host = host;  // done, it says, but shows no fence
  world.Step(report);
  EXPECT_THAT(world.engine().Outstanding(host), SizeIs(1));
  EXPECT_EQ(world.engine().IsolationSince(1).read_back, 0);
}

TEST(Orders, AreSentAgainWhenTheAgentConnects) {
  FakeWorld world;
  ASSERT_EQ(world.Adopt(kUtility), absl::OkStatus());
  IsolationOrdered isolate;
  isolate.by = OperatorId("duty-commander");
  ASSERT_EQ(world.Isolate(isolate), absl::OkStatus());
  const std::vector<Order> before = world.engine().Outstanding(HostId("db-1"));
  ASSERT_THAT(before, SizeIs(1));
  EXPECT_THAT(before[0].id.str(), HasSubstr("-:"));
  world.Connect(HostId("db-1"));
  EXPECT_TRUE(world.agent(HostId("db-1")).quarantined());
  EXPECT_THAT(world.engine().Outstanding(HostId("db-1")), IsEmpty());
}

TEST(Orders, ThatAreReportedTwiceChangeNothingTheSecondTime) {
  FakeWorld world;
  Isolate(world);
  const HostId host("db-1");
  world.Step(RunStarted{RunId("run-1"), OperatorId("duty-commander")});
  const std::vector<Order> orders = world.engine().Outstanding(host);
  ASSERT_THAT(orders, SizeIs(1));
  const auto report = world.agent(host).Obey(orders[0], world.now());
  ASSERT_TRUE(report.has_value());
  world.Step(*report);
  const std::string before = world.engine().StateDigest();
  world.Step(*report);
  OrderReported other = *report;
  other.outcome = Outcome::kFailed;
  world.Step(other);
  EXPECT_EQ(world.engine().StateDigest(), before);
}

TEST(Leases, AreRenewedFromOpeningToConfirmationAndNotLonger) {
  FakeWorld world;
  Begin(world);
  const HostId host("db-1");
  EXPECT_THAT(world.engine().LiveReleases(host, world.now()), IsEmpty());
  ASSERT_EQ(world.Decide("foundations", "duty-commander", true),
            absl::OkStatus());
  EXPECT_THAT(world.engine().LiveReleases(host, world.now()), SizeIs(1));
  // Never past the validity of the release order.
  EXPECT_THAT(world.engine().LiveReleases(host, world.now() + absl::Hours(2)),
              IsEmpty());
  world.Advance(absl::Seconds(30));
  EXPECT_EQ(world.StepNamed("database").state, "reconnected");
  EXPECT_THAT(world.engine().LiveReleases(host, world.now()), IsEmpty());
}

TEST(Leases, AreNotRenewedForAStepThatIsIsolated) {
  std::string slow = kUtility;
  // The database soaks longer than the directory, which it needs.
  slow.replace(slow.find("soak: 10s", slow.find("database:")), 9, "soak: 20s");
  FakeWorld world;
  ASSERT_EQ(world.Adopt(slow), absl::OkStatus());
  world.ConnectAll();
  IsolationOrdered isolate;
  isolate.by = OperatorId("duty-commander");
  ASSERT_EQ(world.Isolate(isolate), absl::OkStatus());
  ASSERT_EQ(world.Start("duty-commander"), absl::OkStatus());
  ASSERT_EQ(world.Decide("foundations", "duty-commander", true),
            absl::OkStatus());
  world.Advance(absl::Seconds(15));
  ASSERT_EQ(world.StepNamed("directory").state, "reconnected");
  ASSERT_EQ(world.StepNamed("database").state, "soaking");
  // Its way in at the directory's host is leased still.
  const HostId server("dir-1");
  EXPECT_THAT(world.engine().LiveReleases(server, world.now()), SizeIs(1));
  isolate.scope = IsolationOrdered::Scope::kSystem;
  isolate.system = SystemId("database");
  world.agent(server).cannot_close = true;
  ASSERT_EQ(world.Isolate(isolate), absl::OkStatus());
  EXPECT_EQ(world.StepNamed("database").state, "isolating");
  EXPECT_THAT(world.engine().LiveReleases(server, world.now()), IsEmpty());
}

TEST(Run, KeepsItsPlanWhileItIsActive) {
  FakeWorld world;
  Begin(world);
  std::string other = kUtility;
  other.replace(other.find("soak: 10s"), 9, "soak: 20s");
  const absl::Status status = world.Adopt(other);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is active"));
  ASSERT_EQ(world.Ask(RunEnded{OperatorId("duty-commander"), "replanned"}),
            absl::OkStatus());
  EXPECT_EQ(world.Adopt(other), absl::OkStatus());
}

TEST(Run, StartsOnlyFromIsolatedHosts) {
  FakeWorld world;
  ASSERT_EQ(world.Adopt(kUtility), absl::OkStatus());
  world.ConnectAll();
  const absl::Status status = world.Start("duty-commander");
  EXPECT_THAT(std::string(status.message()), HasSubstr("5 are not: app-1"));
  EXPECT_FALSE(world.engine().run_active());
}

TEST(Names, AreGuessedOnlyWhenTheyAreClose) {
  const std::vector<std::string> known = {"billing", "database"};
  EXPECT_EQ(DidYouMean("biling", known), "; did you mean 'billing'?");
  EXPECT_EQ(DidYouMean("portal", known), "");
  EXPECT_EQ(NameList({"a", "b", "c"}, 2), "a, b and 1 more");
}

}  // namespace
}  // namespace sluice::engine
