#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/decision_text.h"
#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void ExpectRefused(const Report& report, absl::string_view why) {
  EXPECT_EQ(report.outcome, Outcome::kRefused);
  EXPECT_THAT(report.reason, HasSubstr(std::string(why)));
}

// A proposal changed in one way, and why it must be refused.
void ExpectProposalRefused(
    const std::function<void(ReleaseOrder&, Propose&)>& change,
    absl::string_view why) {
  ReleasedHost host;
  ReleaseOrder order = host.MakeOrder();
  order.round = 2;
  Propose proposal = host.Proposal("apps/1");
  change(order, proposal);
  proposal.body = order.Body();
  const Report report = host.Give("r/9/0", proposal);
  ExpectRefused(report, why);
  const auto* answer = std::get_if<ReleaseAnswer>(&report.detail);
  ASSERT_NE(answer, nullptr);
  EXPECT_FALSE(answer->accepts);
  ExpectRefused(host.Give("r/9/1", OpenFlows{Sha256(proposal.body), {}, {}}),
                "accepted no release order");
}

TEST(Confirmation, OnAWatchThatNoLongerAnswersIsRefused) {
  ReleasedHost host;
  ASSERT_EQ(host.Give("w/4/0", host.Opening()).outcome, Outcome::kDone);
  ASSERT_EQ(host.Give("w/5/0", host.Watching()).outcome, Outcome::kDone);
  host.PassRenewing(absl::Seconds(10), host.digest);
  host.hold_checks = true;  // they pass, and then they hang
  host.PassRenewing(absl::Minutes(5), host.digest);
  const Report refused = host.Give("w/6/0", host.Confirmation());
  EXPECT_EQ(refused.outcome, Outcome::kRefused);
  EXPECT_THAT(refused.reason, HasSubstr("what is watched has not answered"));
  host.Feed(host.Answer(host.held.back()));
  EXPECT_EQ(host.Give("w/7/0", host.Confirmation()).outcome, Outcome::kDone);
}

TEST(Proposal, IsAnsweredWithWhatTheHostWouldNotDoUnderIt) {
  ReleasedHost host;
  host.Freeze("w/1/0", "apps/2");
  Propose proposal = host.Proposal("apps/2");
  proposal.will_ask = {"unit engine.service"};
  const auto answer = [&](const std::string& id) {
    return std::get<ReleaseAnswer>(host.Give(id, proposal).detail);
  };
  EXPECT_TRUE(answer("w/2/0").accepts);
  EXPECT_EQ(answer("w/3/0").reason, "");
  proposal.will_ask = {"baseline cron", "plugin check_pgsql",
                       "unit other.service", "a word\nof tomorrow"};
  EXPECT_TRUE(answer("w/4/0").accepts);
  EXPECT_THAT(answer("w/5/0").reason,
              HasSubstr("will be asked: baseline cron, plugin check_pgsql, "
                        "unit other.service, a word of tomorrow; write it"));
  proposal.will_ask.resize(100'000, "plugin x");
  EXPECT_LT(answer("w/6/0").reason.size(), 600u);
}

TEST(Proposal, ThatFitsIsAccepted) {
  ReleasedHost host;
  const Report report = host.Give("r/9/0", host.Proposal("apps/1"));
  EXPECT_EQ(report.outcome, Outcome::kDone);
  EXPECT_TRUE(std::get<ReleaseAnswer>(report.detail).accepts);
}

TEST(Proposal, OfAnotherEstateIsRefused) {
  ExpectProposalRefused([](ReleaseOrder& order,
                           Propose&) { order.estate = EstateId("elsewhere"); },
                        "about estate elsewhere");
}

TEST(Proposal, ForOtherHostsIsRefused) {
  ExpectProposalRefused(
      [](ReleaseOrder& order, Propose&) { order.hosts[0].id = HostId("db-1"); },
      "does not name host app-1");
}

TEST(Proposal, OfAnEarlierQuarantineIsRefused) {
  ExpectProposalRefused([](ReleaseOrder& order,
                           Propose&) { order.hosts[0].quarantine_number = 0; },
                        "quarantine 0");
}

TEST(Proposal, WithEvidenceThatIsNotItsOwnIsRefused) {
  ExpectProposalRefused(
      [](ReleaseOrder& order, Propose&) {
        order.hosts[0].evidence_digest = Sha256("all is well");
      },
      "not that of this host's own evidence");
}

TEST(Proposal, OfARoundWithoutEvidenceIsRefused) {
  ExpectProposalRefused(
      [](ReleaseOrder&, Propose& proposal) { proposal.round = "apps/2"; },
      "froze no evidence");
}

TEST(Proposal, WithFlowsOutsideItsDigestIsRefused) {
  ExpectProposalRefused(
      [](ReleaseOrder&, Propose& proposal) {
        proposal.grants[0].flows.push_back(F("tcp 0.0.0.0/0 10.77.0.21 22"));
      },
      "not those of its digest");
}

TEST(Proposal, WithAGrantTwiceIsRefused) {
  ExpectProposalRefused(
      [](ReleaseOrder&, Propose& proposal) {
        proposal.grants.push_back(proposal.grants[0]);
      },
      "stands twice");
}

TEST(Proposal, WithALeaseThatIsNoneIsRefused) {
  ExpectProposalRefused([](ReleaseOrder& order,
                           Propose&) { order.hosts[0].lease_seconds = 86400; },
                        "lease of 86400 s");
  ExpectProposalRefused(
      [](ReleaseOrder& order, Propose&) { order.hosts[0].lease_seconds = 0; },
      "lease of 0 s");
}

TEST(Proposal, OlderThanItsValidityIsRefused) {
  ReleasedHost host(60, 30, 100);
  host.Pass(absl::Seconds(101));
  ExpectRefused(host.Give("r/9/0", host.Proposal("apps/1")), "older");
}

TEST(Proposal, ThatWasTamperedWithIsRefused) {
  ReleasedHost host;
  Propose proposal = host.Proposal("apps/1");
  proposal.body += "host app-9\n";
  ExpectRefused(host.Give("r/9/0", proposal), "release order");
}

TEST(Proposal, OnAnOpenHostIsRefused) {
  ReleasedHost closed;
  BenchHost host;
  host.StartAgent();
  host.Connect();
  ExpectRefused(host.Give("r/9/0", closed.Proposal("apps/1")),
                "not in quarantine");
}

TEST(Opening, OfAnAcceptedReleaseOrderOpensItsFlows) {
  ReleasedHost host;
  EXPECT_FALSE(host.Passes(kDbFlow));
  const Report report = host.Give("r/4/0", host.Opening());
  EXPECT_EQ(report.outcome, Outcome::kDone);
  ASSERT_EQ(report.fence.releases.size(), 1u);
  EXPECT_EQ(report.fence.releases[0].leased_flows, 2);
  EXPECT_EQ(report.fence.releases[0].lease_remaining, absl::Seconds(60));
  EXPECT_TRUE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
  EXPECT_FALSE(host.Passes("tcp 10.77.0.21 10.77.0.11 22"));
}

TEST(Opening, OpensNoOtherGrantOfTheSameReleaseOrder) {
  ReleasedHost host;
  OpenFlows opening = host.Opening();
  opening.grants = {GrantId("engine>db:postgres")};
  const Report report = host.Give("r/4/0", opening);
  EXPECT_EQ(report.outcome, Outcome::kDone);
  EXPECT_TRUE(host.Passes(kDbFlow));
  EXPECT_FALSE(host.Passes(kWebFlow));
}

TEST(Opening, WithoutThePeopleItAsksForIsRefused) {
  ReleasedHost host;
  OpenFlows opening = host.Opening();
  opening.decisions.pop_back();
  ExpectRefused(host.Give("r/4/0", opening), "missing system-owner");
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Opening, WithDecisionsOverAnotherBodyIsRefused) {
  ReleasedHost host;
  OpenFlows opening = host.Opening();
  opening.decisions[0].body_digest = Sha256("another");
  ExpectRefused(host.Give("r/4/0", opening), "missing incident-commander");
}

TEST(Opening, WithASignatureThatIsNotThePersonsIsRefused) {
  ReleasedHost host;
  OpenFlows opening = host.Opening();
  opening.decisions[0].signature = opening.decisions[1].signature;
  ExpectRefused(host.Give("r/4/0", opening), "missing incident-commander");
  opening.decisions[0].signature.clear();
  ExpectRefused(host.Give("r/4/1", opening), "missing incident-commander");
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Opening, WithOnePersonInTwoRolesIsRefused) {
  ReleasedHost host;
  OpenFlows opening = host.Opening();
  opening.decisions = {SignedGo("duty-commander", host.body),
                       SignedGo("duty-commander", host.body)};
  ExpectRefused(host.Give("r/4/0", opening), "missing system-owner");
}

TEST(Opening, OfAGrantThatIsNotPartOfItIsRefused) {
  ReleasedHost host;
  OpenFlows opening = host.Opening();
  opening.grants.push_back(GrantId("engine>secrets:ssh"));
  ExpectRefused(host.Give("r/4/0", opening), "not part of this release order");
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Opening, PastItsValidityIsRefused) {
  ReleasedHost host(60, 30, 100);
  host.Pass(absl::Seconds(101));
  ExpectRefused(host.Give("r/4/0", host.Opening()), "was valid for 100 s");
}

TEST(Opening, AfterTheEvidenceChangedIsRefused) {
  ReleasedHost host;
  host.check = [](const NamedCheck&) {
    return CheckResult{Verdict::kFail, "an undeclared listener", ""};
  };
  host.Freeze("r/4/0", "apps/1");
  ExpectRefused(host.Give("r/5/0", host.Opening()), "evidence changed");
}

TEST(Opening, InAnOlderEpochIsRefused) {
  ReleasedHost host;
  host.Feed(LinkDown{});
  host.Connect(2, "two");
  ExpectRefused(host.Give("r/4/0", host.Opening(), 1), "epoch 1");
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Opening, ByASecondOrchestratorOfTheSameEpochIsRefused) {
  ReleasedHost host;
  host.Feed(LinkDown{});
  host.Connect(1, "twin");
  ExpectRefused(host.Give("r/4/0", host.Opening(), 1), "two orchestrators");
}

TEST(Opening, ThatTheKernelDidNotTakeStillTellsWhatItHolds) {
  ReleasedHost host;
  host.fence.failure = absl::InternalError("no memory");
  host.fence.readable = true;
  const Report report = host.Give("r/4/0", host.Opening());
  EXPECT_EQ(report.outcome, Outcome::kFailed);
  EXPECT_EQ(report.fence.mode, Mode::kQuarantined);
}

TEST(Opening, RepeatedOpensNothingTwice) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  const size_t calls = host.fence.calls.size();
  host.Give("r/4/0", host.Opening());
  host.Give("r/4/1", host.Opening());  // another order for the same
  EXPECT_EQ(host.fence.calls.size(), calls);
  EXPECT_TRUE(host.Passes(kDbFlow));
}

TEST(Opening, ThatTheKernelRefusesIsNotCalledDone) {
  ReleasedHost host;
  host.fence.failure = absl::UnavailableError("netlink is busy");
  EXPECT_EQ(host.Give("r/4/0", host.Opening()).outcome, Outcome::kFailed);
}

TEST(Lease, RunsOutUnlessRenewedAndThatIsReported) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Minutes(5), host.digest);
  EXPECT_TRUE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.All<LeaseLost>().empty());
  host.Pass(absl::Seconds(59));
  EXPECT_TRUE(host.Passes(kDbFlow));
  host.Pass(absl::Seconds(2));
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_EQ(host.Last<LeaseLost>().release_digest, host.digest);
}

// The kernel closes it; the agent asks again each second, not without end.
TEST(Lease, ThatRanOutIsAskedForCalmlyWhileTheKernelDoesNotAnswer) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.fence.failure = absl::UnavailableError("netlink is busy");
  host.Pass(absl::Seconds(61));
  const int before = host.fence.reads;
  host.Pass(absl::Seconds(10));
  EXPECT_LE(host.fence.reads - before, 15);
  host.fence.failure = absl::OkStatus();
  host.Pass(absl::Seconds(2));
  EXPECT_EQ(host.Last<LeaseLost>().release_digest, host.digest);
}

// Its peers are out for now: there is nothing to guard, and nothing runs out.
TEST(Lease, OfAGrantWithoutAFlowHereBeginsWhenItOpens) {
  ReleasedHost host;
  const GrantId empty("engine>ledger:main");
  ReleaseOrder order = host.MakeOrder();
  order.round = 2;
  order.hosts[0].flows_digest = FlowsDigest({});
  Propose proposal;
  proposal.body = order.Body();
  proposal.round = "apps/1";
  proposal.grants = {{empty, {}}};
  ASSERT_EQ(host.Give("r/4/0", proposal).outcome, Outcome::kDone);
  host.Pass(absl::Seconds(5));
  const std::string digest = Sha256(proposal.body);
  const OpenFlows opening{digest,
                          {empty},
                          {SignedGo("duty-commander", proposal.body),
                           SignedGo("billing-owner", proposal.body)}};
  EXPECT_EQ(host.Give("r/5/0", opening).outcome, Outcome::kDone);
  host.PassRenewing(absl::Minutes(2), digest);
  EXPECT_TRUE(host.All<LeaseLost>().empty());
  host.Pass(absl::Seconds(61));
  EXPECT_EQ(host.Last<LeaseLost>().release_digest, digest);
}

TEST(Lease, ThatRanOutIsNotRenewedButOpensAgainUnderTheSameOrder) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.Pass(absl::Seconds(61));
  host.Feed(RenewalReceived{1, {host.digest}, 9});
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_EQ(host.Give("r/5/0", host.Opening()).outcome, Outcome::kDone);
  EXPECT_TRUE(host.Passes(kDbFlow));
}

// S3: whoever gave the order may have failed while it waited.
TEST(Lease, OfAnOrderThatWaitedForTheDiskCountsFromWhenItCame) {
  ReleasedHost host;
  const OpenFlows opening = host.Opening();
  host.Freeze("r/4/0", "apps/2");
  host.body = host.Body("apps/2");
  host.disk_hangs = true;
  host.Order("r/5/0", host.Proposal("apps/2"));
  host.Order("r/6/0", opening);
  host.Pass(absl::Seconds(3));
  EXPECT_FALSE(host.Passes(kDbFlow));
  host.EndHang();
  EXPECT_TRUE(host.Passes(kDbFlow));
  host.Pass(absl::Seconds(56));
  EXPECT_TRUE(host.Passes(kDbFlow));
  host.Pass(absl::Seconds(2));
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Lease, ThatRanOutWhileItsOrderWaitedForTheDiskOpensNothing) {
  ReleasedHost host(4);
  const OpenFlows opening = host.Opening();
  host.Freeze("r/4/0", "apps/2");
  host.body = host.Body("apps/2");
  host.disk_hangs = true;
  host.Order("r/5/0", host.Proposal("apps/2"));
  host.Order("r/6/0", opening);
  host.Pass(absl::Milliseconds(4500));
  host.EndHang();
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_EQ(host.Last<Report>().outcome, Outcome::kRefused);
  EXPECT_THAT(host.Last<Report>().reason, HasSubstr("waited longer"));
}

TEST(Lease, IsNotRenewedPastTheValidity) {
  ReleasedHost host(60, 30, 100);
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(99), host.digest);
  EXPECT_TRUE(host.Passes(kDbFlow));
  host.PassRenewing(absl::Seconds(3), host.digest);
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Lease, IsNotRenewedInAnotherEpoch) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(62), host.digest, 9);
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Lease, IsGoneWhenTheAgentStartsAgain) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.StartAgent();
  EXPECT_FALSE(host.Passes(kDbFlow));
  host.said.clear();
  host.Connect(1, "one");
  const Hello hello = host.Last<Hello>();
  ASSERT_EQ(hello.fence.releases.size(), 1u);
  EXPECT_EQ(hello.fence.releases[0].leased_flows, 0);
  EXPECT_EQ(hello.fence.releases[0].lease_remaining, absl::ZeroDuration());
  // S3: under the same valid release order they open again.
  EXPECT_EQ(host.Give("r/4/0", host.Opening()).outcome, Outcome::kDone);
  EXPECT_TRUE(host.Passes(kDbFlow));
}

TEST(Confirmation, BeforeTheSoakIsRefused) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(20), host.digest);
  ExpectRefused(host.Give("r/5/0", host.Confirmation()), "soaks for 10s more");
}

TEST(Confirmation, AfterTheSoakMakesTheFlowsStandWithoutAnyLease) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(31), host.digest);
  const Report report = host.Give("r/5/0", host.Confirmation());
  EXPECT_EQ(report.outcome, Outcome::kDone) << report.reason;
  ASSERT_EQ(report.fence.releases.size(), 1u);
  EXPECT_EQ(report.fence.releases[0].standing_flows, 2);
  EXPECT_EQ(report.fence.releases[0].leased_flows, 0);
  host.Pass(absl::Hours(20));
  EXPECT_TRUE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.All<LeaseLost>().empty());
}

TEST(Confirmation, OutlivesTheAgentAndTheBoot) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(31), host.digest);
  host.Give("r/5/0", host.Confirmation());
  ASSERT_TRUE(host.fence.Replace({.mode = Mode::kOpen}).ok());  // a reboot
  host.StartAgent("boot-2");
  EXPECT_TRUE(host.Passes(kDbFlow));
  EXPECT_FALSE(host.Passes("tcp 10.77.0.21 10.77.0.11 22"));
  host.Connect(1, "one");
  EXPECT_EQ(host.Last<Hello>().fence.releases[0].standing_flows, 2);
}

TEST(Confirmation, AfterTheLeaseRanOutIsRefused) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.Pass(absl::Seconds(61));
  ExpectRefused(host.Give("r/5/0", host.Confirmation()), "has run out");
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Confirmation, WhileAWatchedCheckFailsIsRefused) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.Give("r/4/1", host.Watching());
  host.PassRenewing(absl::Seconds(31), host.digest);
  host.check = [](const NamedCheck&) {
    return CheckResult{Verdict::kInconclusive, "no answer", ""};
  };
  host.Pass(absl::Seconds(6));
  ExpectRefused(host.Give("r/5/0", host.Confirmation()), "does not pass");
}

TEST(Confirmation, ThatCannotBeWrittenDownIsNotCalledDone) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(31), host.digest);
  host.store.FailWith(absl::ResourceExhaustedError("no space left"));
  EXPECT_EQ(host.Give("r/5/0", host.Confirmation()).outcome, Outcome::kFailed);
}

TEST(Confirmation, OfAFlowSharedWithAnotherGrantLeavesThatGrantAlive) {
  ReleasedHost host;
  ReleaseOrder order = host.MakeOrder();
  order.round = 2;
  order.hosts[0].flows_digest = FlowsDigest({F(kDbFlow)});
  order.hosts[0].soak_seconds = 10;
  host.body = order.Body();
  host.digest = order.Digest();
  const Propose proposal{order.Body(),
                         {{GrantId("a>db:postgres"), {F(kDbFlow)}},
                          {GrantId("b>db:postgres"), {F(kDbFlow)}}},
                         "apps/1"};
  ASSERT_EQ(host.Give("r/4/0", proposal).outcome, Outcome::kDone);
  ASSERT_EQ(host.Give("r/4/1", OpenFlows{host.digest,
                                         {GrantId("a>db:postgres"),
                                          GrantId("b>db:postgres")},
                                         host.Decisions()})
                .outcome,
            Outcome::kDone);
  host.PassRenewing(absl::Seconds(11), host.digest);
  const Confirm first{host.digest, {GrantId("a>db:postgres")}, StepId("a")};
  ASSERT_EQ(host.Give("r/5/0", first).outcome, Outcome::kDone);
  host.PassRenewing(absl::Seconds(100), host.digest);
  EXPECT_TRUE(host.All<LeaseLost>().empty());
  const Confirm second{host.digest, {GrantId("b>db:postgres")}, StepId("b")};
  EXPECT_EQ(host.Give("r/6/0", second).outcome, Outcome::kDone);
  // Both want it: withdrawing one leaves it, withdrawing both does not.
  host.Give("r/7/0", Withdraw{{GrantId("a>db:postgres")}, "a failed"});
  EXPECT_TRUE(host.Passes(kDbFlow));
  host.Give("r/7/1", Withdraw{{GrantId("b>db:postgres")}, "b failed"});
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Withdrawal, ClosesTheFlowsOfItsGrantsAndNoOthers) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  const Report report = host.Give(
      "r/5/0", Withdraw{{GrantId("engine>db:postgres")}, "health failed"});
  EXPECT_EQ(report.outcome, Outcome::kDone);
  EXPECT_THAT(report.fence.releases[0].withdrawn,
              ElementsAre(GrantId("engine>db:postgres")));
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
}

TEST(Withdrawal, IsForGoodUnderThatReleaseOrderEvenAfterARestart) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.Give("r/5/0", Withdraw{{GrantId("engine>db:postgres")}, "failed"});
  ExpectRefused(host.Give("r/6/0", host.Opening()), "was withdrawn");
  host.StartAgent();
  host.Connect(1, "one");
  ExpectRefused(host.Give("r/7/0", host.Opening()), "was withdrawn");
}

TEST(Withdrawal, OfStandingFlowsIsRememberedBeforeItIsDone) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(31), host.digest);
  host.Give("r/5/0", host.Confirmation());
  host.Give("r/6/0", Withdraw{{GrantId("engine>db:postgres")}, "alarm"});
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
  host.StartAgent("boot-2");
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
}

TEST(Confirmation, ByDecisionWantsPeoplesSignaturesOverWhatTheyConfirm) {
  ReleasedHost host;
  ReleaseOrder order = host.MakeOrder();
  order.round = 2;
  order.confirm = ConfirmRule::kByDecision;
  host.body = order.Body();
  host.digest = order.Digest();
  Propose proposal = host.Proposal("apps/1");
  proposal.body = host.body;
  ASSERT_EQ(host.Give("r/4/0", proposal).outcome, Outcome::kDone);
  ASSERT_EQ(host.Give("r/4/1", host.Opening()).outcome, Outcome::kDone);
  host.PassRenewing(absl::Seconds(31), host.digest);
  Confirm confirm = host.Confirmation();
  ExpectRefused(host.Give("r/5/0", confirm), "missing incident-commander");
  // Those who opened it have said nothing of what was seen since.
  confirm.decisions = host.Decisions();
  ExpectRefused(host.Give("r/5/1", confirm), "missing incident-commander");
  for (Decision& decision : confirm.decisions) {
    decision.signature =
        testing::ToySign("key-of-" + decision.by.str(), signed_as::kDecision,
                         ConfirmText(host.digest));
  }
  EXPECT_EQ(host.Give("r/5/2", confirm).outcome, Outcome::kDone);
}

TEST(Evidence, IsSignedByTheHostThatGivesIt) {
  ReleasedHost host;
  const Report report = host.Give(
      "r/9/0", FreezeEvidence{"apps/2", {Inspection("engine/inspect-1")}});
  const auto& frozen = std::get<EvidenceFrozen>(report.detail);
  EXPECT_EQ(frozen.signature,
            testing::ToySign("host-key", signed_as::kEvidence, frozen.text));
}

TEST(Withdrawal, LeavesALeasedFlowLeasedWhenOnlyItsStandingTwinGoes) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(31), host.digest);
  host.Give("r/5/0", host.Confirmation());
  // A second release order wants the same flow for another grant.
  ReleaseOrder order = host.MakeOrder();
  order.round = 2;
  order.hosts[0].flows_digest = FlowsDigest({F(kDbFlow)});
  host.body = order.Body();
  const std::string first = std::exchange(host.digest, order.Digest());
  const GrantId other("reports>db:postgres");
  ASSERT_EQ(host.Give("r/6/0",
                      Propose{order.Body(), {{other, {F(kDbFlow)}}}, "apps/1"})
                .outcome,
            Outcome::kDone);
  ASSERT_EQ(
      host.Give("r/6/1", OpenFlows{host.digest, {other}, host.Decisions()})
          .outcome,
      Outcome::kDone);
  ASSERT_EQ(
      host.Give("r/7/0", Withdraw{{GrantId("engine>db:postgres")}, "alarm"})
          .outcome,
      Outcome::kDone);
  EXPECT_TRUE(host.Passes(kDbFlow));
  host.Pass(absl::Seconds(61));
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Withdrawal, OnAnOpenHostSaysThatNothingWasClosed) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  ExpectRefused(host.Give("r/1/0", Withdraw{{GrantId("a>b:c")}, "x"}),
                "no fence");
}

TEST(Withdrawal, ThatTheKernelRefusesTakesTheWholeFenceDownToWhatStands) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.fence.failure = absl::UnavailableError("netlink is busy");
  EXPECT_EQ(host.Give("r/5/0", Withdraw{{GrantId("engine>db:postgres")}, "x"})
                .outcome,
            Outcome::kFailed);
  host.fence.failure = absl::OkStatus();
  host.Pass(absl::Seconds(2));
  EXPECT_FALSE(host.Passes(kDbFlow));
}

}  // namespace
}  // namespace sluice::agent
