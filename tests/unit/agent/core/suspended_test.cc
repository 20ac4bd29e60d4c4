// A host whose own file cannot be used: it runs by a copy, closes as ever, and
// believes nobody who would open (agents/host/kept_config.h).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agents/core/trust.h"
#include "common/rotation.h"
#include "common/sshsig.h"
#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kWhy[] = "cannot use its agent.yaml (agent.yaml:3:1: no)";

// Has its flows standing, and starts again with everybody suspended: whatever
// else the copy says.
class Suspended : public ReleasedHost {
 public:
  Suspended() {
    SLUICE_CHECK(Give("r/4/0", Opening()).outcome == Outcome::kDone);
    SLUICE_CHECK(Give("r/5/0", Watching()).outcome == Outcome::kDone);
    PassRenewing(absl::Seconds(40), digest);
    SLUICE_CHECK(Give("r/6/0", Confirmation()).outcome == Outcome::kDone);
    trust.suspended = kWhy;
    said.clear();
    StartAgent();
  }
};

TEST(SuspendedHost, KeepsItsFenceAndWhatStood) {
  Suspended host;
  EXPECT_EQ(host.fence_problem(), "");
  EXPECT_TRUE(host.Passes(kWebFlow));
  EXPECT_FALSE(host.Passes("tcp 10.77.0.31 10.77.0.21 22"));
}

TEST(SuspendedHost, SaysSoOnceToTheOrchestrator) {
  Suspended host;
  host.Connect();
  EXPECT_THAT(host.All<FenceChanged>(),
              ElementsAre(Field(&FenceChanged::reason, kWhy)));
  host.said.clear();
  host.Feed(LinkDown{});
  host.Connect();
  EXPECT_THAT(host.All<FenceChanged>(), IsEmpty());
}

TEST(SuspendedHost, SaysSoWhileItIsOpenToo) {
  BenchHost host;
  host.trust.suspended = kWhy;
  host.StartAgent();
  host.Connect();
  EXPECT_THAT(host.All<FenceChanged>(),
              ElementsAre(Field(&FenceChanged::reason, kWhy)));
}

TEST(SuspendedHost, OpensAndStartsNothing) {
  Suspended host;
  host.Connect();
  ASSERT_EQ(host.Give("s/1/0", IsolateHost{"again"}).outcome, Outcome::kDone);
  host.Freeze("s/2/0", "apps/1");
  const Report proposed = host.Give("s/3/0", host.Proposal("apps/1"));
  const auto* answer = std::get_if<ReleaseAnswer>(&proposed.detail);
  ASSERT_NE(answer, nullptr);
  EXPECT_FALSE(answer->accepts);
  EXPECT_THAT(answer->reason, HasSubstr(kWhy));
  const Report start = host.Give("s/4/0", StartUnit{"engine.service"});
  EXPECT_EQ(start.outcome, Outcome::kRefused);
  EXPECT_THAT(start.reason, HasSubstr(kWhy));
  EXPECT_EQ(host.units_started, 0);
}

// What was accepted before it was suspended does not open after it.
TEST(SuspendedHost, OpensNothingThatItOnceAccepted) {
  ReleasedHost host;
  host.trust.suspended = kWhy;
  host.StartAgent();
  host.Connect();
  const Report opened = host.Give("s/1/0", host.Opening());
  EXPECT_EQ(opened.outcome, Outcome::kRefused);
  EXPECT_THAT(opened.reason, HasSubstr(kWhy));
  EXPECT_FALSE(host.Passes(kWebFlow));
}

TEST(SuspendedHost, IsolatesAllTheSame) {
  Suspended host;
  host.Connect();
  EXPECT_EQ(host.Give("s/1/0", IsolateHost{"again"}).outcome, Outcome::kDone);
  EXPECT_FALSE(host.Passes(kWebFlow));
}

TEST(SuspendedHost, BelievesNoKeyThatARotationBrought) {
  Rotation rotation{.estate = EstateId("city-utility"), .serial = 9};
  rotation.hosts = {HostId("app-1")};
  rotation.approvers = {{OperatorId("new"),
                         {RoleId("system-owner")},
                         SshSigner::Make().public_key().Line()}};
  rotation.quorum = {{RoleId("system-owner"), 1}};
  AgentState state;
  state.rotation = rotation.Body();
  Trust own;
  ASSERT_EQ(TrustNow(own, state, absl::ZeroDuration()).approvers.size(), 1u);
  own.suspended = kWhy;
  EXPECT_THAT(TrustNow(own, state, absl::ZeroDuration()).approvers, IsEmpty());
  EXPECT_THAT(CheckRotationSigned("text", {"signature"}, TestTrust()).message(),
              ::testing::Not(HasSubstr(kWhy)));
  Trust trust = TestTrust();
  trust.suspended = kWhy;
  EXPECT_THAT(CheckRotationSigned("text", {"signature"}, trust).message(),
              HasSubstr(kWhy));
}

}  // namespace
}  // namespace sluice::agent
