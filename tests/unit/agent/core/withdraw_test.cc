// Withdrawing by peer: what a host's neighbours close when it falls out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

Prefix P(absl::string_view text) { return *Prefix::Parse(text); }

Withdraw From(absl::string_view peer, std::vector<GrantId> grants = {}) {
  return {std::move(grants), "it fell out", {P(peer)}};
}

// An open host; kDbFlow goes to 10.77.0.11, kWebFlow comes from 10.77.0.31.
class OpenHost : public ReleasedHost {
 public:
  OpenHost() {
    SLUICE_CHECK(Give("r/4/0", Opening()).outcome == Outcome::kDone);
  }
  void Stand() {
    PassRenewing(absl::Seconds(31), digest);
    SLUICE_CHECK(Give("r/4/1", Confirmation()).outcome == Outcome::kDone);
  }
};

TEST(WithdrawalByPeer, ClosesWhatHasThePeerAtOneEndAndNothingElse) {
  OpenHost host;
  const Report report = host.Give("r/5/0", From("10.77.0.11"));
  EXPECT_EQ(report.outcome, Outcome::kDone);
  ASSERT_THAT(report.fence.releases, SizeIs(1));
  EXPECT_EQ(report.fence.releases[0].leased_flows, 1);
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
  host.Give("r/5/1", From("10.77.0.31"));  // there it is the client
  EXPECT_FALSE(host.Passes(kWebFlow));
}

TEST(WithdrawalByPeer, ReopensNothingUnderTheSameReleaseOrder) {
  OpenHost host;
  host.Give("r/5/0", From("10.77.0.11"));
  EXPECT_EQ(host.Give("r/6/0", host.Opening()).outcome, Outcome::kDone);
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
  host.Give("r/6/1", host.Proposal("apps/1"));
  host.Give("r/6/2", host.Opening());
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(WithdrawalByPeer, IsRememberedByAnAgentThatStartsAgain) {
  OpenHost host;
  host.Give("r/5/0", From("10.77.0.11"));
  host.StartAgent();
  host.Connect(1, "one");
  EXPECT_EQ(host.Give("r/6/0", host.Opening()).outcome, Outcome::kDone);
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
}

TEST(WithdrawalByPeer, OfStandingFlowsOutlivesTheBoot) {
  OpenHost host;
  host.Stand();
  host.Give("r/5/0", From("10.77.0.11"));
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
  ASSERT_TRUE(host.fence.Replace({.mode = Mode::kOpen}).ok());  // a reboot
  host.StartAgent("boot-2");
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
}

TEST(WithdrawalByPeer, IsWrittenDownBeforeTheKernelIsTold) {
  OpenHost host;
  host.Stand();
  host.fence.failure = absl::UnavailableError("netlink is busy");
  EXPECT_EQ(host.Give("r/5/0", From("10.77.0.11")).outcome, Outcome::kFailed);
  // S9: not called done; the repair, or a start, brings it about.
  host.fence.failure = absl::OkStatus();
  host.StartAgent();
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
}

TEST(WithdrawalByPeer, OfSomeGrantsLeavesTheOthersOpenToThePeer) {
  ReleasedHost host;
  const std::string other = "tcp 10.77.0.21 10.77.0.11 389";
  ReleaseOrder order = host.MakeOrder();
  order.round = 2;
  order.hosts[0].flows_digest = FlowsDigest({F(kDbFlow), F(other)});
  host.body = order.Body();
  host.digest = order.Digest();
  const GrantId database("engine>db:postgres"), directory("engine>dir:ldap");
  ASSERT_EQ(host.Give("r/4/0", Propose{order.Body(),
                                       {{database, {F(kDbFlow)}},
                                        {directory, {F(other)}}},
                                       "apps/1"})
                .outcome,
            Outcome::kDone);
  host.Give("r/4/1",
            OpenFlows{host.digest, {database, directory}, host.Decisions()});
  host.Give("r/5/0", From("10.77.0.11", {database}));
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(other));
}

// A proposal that reaches this host late must not bring back what was closed.
TEST(WithdrawalByPeer, VoidsProposalsMadeOnEvidenceFromBefore) {
  ReleasedHost host;
  host.Give("r/5/0", From("10.77.0.11"));
  ReleaseOrder order = host.MakeOrder();
  order.round = 2;
  Propose late = host.Proposal("apps/1");
  late.body = order.Body();
  const Report report = host.Give("r/6/0", late);
  EXPECT_EQ(report.outcome, Outcome::kRefused);
  EXPECT_THAT(report.reason, HasSubstr("everything to 10.77.0.11 was closed"));
  // Evidence from after it may open to the peer again.
  host.Pass(absl::Seconds(1));
  host.Freeze("r/7/0", "apps/2");
  EXPECT_EQ(host.Give("r/8/0", host.Proposal("apps/2")).outcome,
            Outcome::kDone);
}

TEST(WithdrawalByPeer, StillVoidsThemAfterARestart) {
  ReleasedHost host;
  host.Give("r/5/0", From("10.77.0.11"));
  host.StartAgent();
  host.Connect(1, "one");
  ReleaseOrder order = host.MakeOrder();
  order.round = 2;
  Propose late = host.Proposal("apps/1");
  late.body = order.Body();
  EXPECT_EQ(host.Give("r/6/0", late).outcome, Outcome::kRefused);
}

TEST(WithdrawalByPeer, OfMorePeersThanItRemembersVoidsAllEvidence) {
  ReleasedHost host;
  Withdraw many{{}, "half the estate fell out"};
  for (int i = 0; i <= 1024; ++i) {
    many.peers.push_back(P(absl::StrCat("10.9.", i / 256, ".", i % 256)));
  }
  EXPECT_EQ(host.Give("r/5/0", many).outcome, Outcome::kDone);
  EXPECT_LE(host.state().shut_peers.size(), AgentState::kMaxShutPeers);
  EXPECT_EQ(host.Give("r/6/0", host.Opening()).outcome, Outcome::kRefused);
}

}  // namespace
}  // namespace sluice::agent
