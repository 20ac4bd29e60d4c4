// An orchestrator in the hands of the attacker, against one agent with the real
// verifier and people's real keys: it has the epoch, the link, every text and
// signature that ever passed through it, and time. What people did not release
// stays closed (S2), and so does what is over (S8).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "common/decision_text.h"
#include "common/delegation.h"
#include "common/rotation.h"
#include "common/sshsig.h"
#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;

const char* const kCommander = "duty-commander";
const char* const kOwner = "billing-owner";
constexpr char kBackDoor[] = "tcp 10.77.0.31 10.77.0.21 22";

class Malicious : public ::testing::Test {
 protected:
  Malicious() : host_(60, 30, 600, Pinned()) {}

  // What the host's own file says.
  Trust Pinned() {
    static const SshVerifier verifier;
    for (const char* name : {kCommander, kOwner, "attacker", "new-commander",
                             "new-owner", "deputy"}) {
      people_.emplace(name, SshSigner::Make());
    }
    return {.approvers = {Person(kCommander, "incident-commander"),
                          Person(kOwner, "system-owner")},
            .quorum = {{RoleId("incident-commander"), 1},
                       {RoleId("system-owner"), 1}},
            .verifier = &verifier};
  }
  // New keys for both roles, for this host among others.
  Rotation NewKeys(uint64_t serial) {
    Rotation rotation{.estate = EstateId("city-utility"), .serial = serial};
    rotation.hosts = {HostId("app-1"), HostId("db-1")};
    rotation.approvers = {{OperatorId("new-commander"),
                           {RoleId("incident-commander")},
                           people_.at("new-commander").public_key().Line()},
                          {OperatorId("new-owner"),
                           {RoleId("system-owner")},
                           people_.at("new-owner").public_key().Line()}};
    rotation.quorum = {{RoleId("incident-commander"), 1},
                       {RoleId("system-owner"), 1}};
    return rotation;
  }
  ChangeTrust SignedBy(const std::vector<std::string>& people,
                       const std::string& text,
                       absl::string_view name_space = signed_as::kRotation) {
    ChangeTrust change{text, {}};
    for (const std::string& one : people) {
      change.signatures.push_back(people_.at(one).Sign(name_space, text));
    }
    return change;
  }
  // Whom this host believes is as it was.
  void ExpectOldKeysCount() {
    EXPECT_EQ(host_.state().rotation, "");
    ExpectDone(Opening(RealDecisions()));
    EXPECT_TRUE(host_.Passes(kDbFlow));
  }
  Approver Person(const std::string& name, const std::string& role) {
    return {
        OperatorId(name), {RoleId(role)}, people_.at(name).public_key().Line()};
  }

  Decision Signed(const std::string& by, const std::string& key,
                  const std::string& body,
                  absl::string_view text = absl::string_view(),
                  absl::string_view name_space = signed_as::kDecision) {
    return {OperatorId(by),
            {RoleId("incident-commander"), RoleId("system-owner")},
            Sha256(body),
            people_.at(key).Sign(name_space, text.empty() ? body : text)};
  }
  // What people really said about the order that the agent was shown.
  std::vector<Decision> RealDecisions() {
    return {Signed(kCommander, kCommander, host_.body),
            Signed(kOwner, kOwner, host_.body)};
  }
  OpenFlows Opening(std::vector<Decision> decisions) {
    OpenFlows opening = host_.Opening();
    opening.decisions = std::move(decisions);
    return opening;
  }

  template <class What>
  void ExpectRefused(const What& what, uint64_t epoch = 1) {
    const Report report = host_.Give(NextOrder(), what, epoch);
    EXPECT_EQ(report.outcome, Outcome::kRefused) << report.reason;
    EXPECT_FALSE(report.reason.empty());
    ExpectClosed();
  }
  template <class What>
  void ExpectDone(const What& what) {
    const Report report = host_.Give(NextOrder(), what);
    ASSERT_EQ(report.outcome, Outcome::kDone) << report.reason;
  }
  void ExpectClosed() {
    EXPECT_FALSE(host_.Passes(kDbFlow));
    EXPECT_FALSE(host_.Passes(kWebFlow));
    EXPECT_FALSE(host_.Passes(kBackDoor));
  }
  std::string NextOrder() { return absl::StrCat("evil/", ++orders_, "/0"); }

  std::map<std::string, SshSigner> people_;
  ReleasedHost host_;
  int orders_ = 0;
};

TEST_F(Malicious, OpensWithWhatPeopleReallySaid) {
  ExpectDone(Opening(RealDecisions()));
  EXPECT_TRUE(host_.Passes(kDbFlow));
}

TEST_F(Malicious, CannotInventDecisions) {
  ExpectRefused(Opening({}));
  std::vector<Decision> unsigned_ones = RealDecisions();
  for (Decision& decision : unsigned_ones) decision.signature.clear();
  ExpectRefused(Opening(unsigned_ones));
  ExpectRefused(Opening({Signed(kCommander, "attacker", host_.body),
                         Signed(kOwner, "attacker", host_.body)}));
  ExpectRefused(Opening({Signed("attacker", "attacker", host_.body),
                         Signed(kCommander, kCommander, host_.body)}));
}

TEST_F(Malicious, CannotCountOnePersonForTwo) {
  ExpectRefused(Opening({Signed(kCommander, kCommander, host_.body),
                         Signed(kCommander, kCommander, host_.body)}));
  ExpectRefused(Opening({Signed(kCommander, kCommander, host_.body),
                         Signed(kOwner, kCommander, host_.body)}));
}

TEST_F(Malicious, CannotTurnAnotherSignatureIntoAGo) {
  const std::string no_go = NoGoText(host_.digest, "stop");
  ExpectRefused(Opening({Signed(kCommander, kCommander, host_.body, no_go),
                         Signed(kOwner, kOwner, host_.body)}));
  const std::string confirm = ConfirmText(host_.digest);
  ExpectRefused(Opening({Signed(kCommander, kCommander, host_.body, confirm),
                         Signed(kOwner, kOwner, host_.body)}));
  for (const absl::string_view other :
       {signed_as::kLogin, signed_as::kTask, signed_as::kRotation}) {
    ExpectRefused(
        Opening({Signed(kCommander, kCommander, host_.body, "", other),
                 Signed(kOwner, kOwner, host_.body)}));
  }
}

TEST_F(Malicious, CannotPairRealSignaturesWithOtherFlows) {
  // Other flows beside the body that people signed.
  Propose proposal = host_.Proposal("apps/1");
  proposal.grants[0].flows = {F(kBackDoor)};
  ExpectRefused(proposal);
  // A body of its own with those flows, and the signatures of the real one.
  ReleaseOrder order = host_.MakeOrder();
  order.hosts[0].flows_digest = FlowsDigest({F(kBackDoor), F(kDbFlow)});
  proposal.body = order.Body();
  ExpectDone(proposal);  // that people could release it is all this says
  OpenFlows opening = Opening(RealDecisions());
  opening.release_digest = order.Digest();
  ExpectRefused(opening);
  for (Decision& decision : opening.decisions) {
    decision.body_digest = order.Digest();
  }
  ExpectRefused(opening);
}

TEST_F(Malicious, CannotAskFewerPeopleThanTheHostPins) {
  ReleaseOrder order = host_.MakeOrder();
  order.quorum.erase(RoleId("system-owner"));
  Propose proposal = host_.Proposal("apps/1");
  proposal.body = order.Body();
  ExpectRefused(proposal);
  order.quorum.clear();
  proposal.body = order.Body();
  ExpectRefused(proposal);
}

TEST_F(Malicious, CannotReplayAnOrderAfterAnIsolation) {
  const OpenFlows opening = Opening(RealDecisions());
  const Propose proposal = host_.Proposal("apps/1");
  ExpectDone(opening);
  ExpectDone(IsolateHost{"an alarm"});
  ExpectClosed();
  ExpectRefused(opening);
  ExpectRefused(proposal);
  // Not with fresh evidence either: the quarantine's number stands in the body.
  host_.Freeze(NextOrder(), "apps/1");
  ExpectRefused(proposal);
  ExpectRefused(opening);
}

TEST_F(Malicious, CannotReplayAnOrderAfterAReboot) {
  const OpenFlows opening = Opening(RealDecisions());
  const Propose proposal = host_.Proposal("apps/1");
  host_.StartAgent("boot-2");
  host_.Connect();
  ExpectRefused(opening);
  ExpectRefused(proposal);
}

TEST_F(Malicious, CannotReplayAnOrderAfterTheEvidenceChanged) {
  const OpenFlows opening = Opening(RealDecisions());
  const Propose proposal = host_.Proposal("apps/1");
  host_.Pass(absl::Seconds(1));
  host_.Freeze(NextOrder(), "apps/1");
  ExpectRefused(opening);
  ExpectRefused(proposal);
}

TEST_F(Malicious, CannotKeepALeaseAliveBeyondItsValidity) {
  ExpectDone(Opening(RealDecisions()));
  // It renews for ever and never confirms.
  host_.PassRenewing(absl::Seconds(590), host_.digest);
  EXPECT_TRUE(host_.Passes(kDbFlow));
  host_.PassRenewing(absl::Seconds(30), host_.digest);
  ExpectClosed();
  ExpectRefused(Opening(RealDecisions()));
  ExpectRefused(host_.Proposal("apps/1"));
}

TEST_F(Malicious, CannotRenewWhatNobodyReleased) {
  host_.PassRenewing(absl::Seconds(10), host_.digest);
  ExpectClosed();
}

TEST_F(Malicious, CannotConfirmBeforeTheSoakOrWhatIsClosed) {
  const Report closed = host_.Give(NextOrder(), host_.Confirmation());
  EXPECT_EQ(closed.outcome, Outcome::kRefused);
  ExpectDone(Opening(RealDecisions()));
  const Report early = host_.Give(NextOrder(), host_.Confirmation());
  EXPECT_EQ(early.outcome, Outcome::kRefused);
  EXPECT_THAT(early.reason, HasSubstr("soaks for"));
  host_.Pass(absl::Seconds(61));  // the lease ends: it was not made to stand
  ExpectClosed();
}

TEST_F(Malicious, GainsNothingByLowerOrHigherEpochs) {
  host_.Feed(LinkDown{});
  host_.Connect(/*epoch=*/5, "evil");
  ExpectRefused(Opening({Signed(kCommander, "attacker", host_.body)}), 5);
  host_.Feed(LinkDown{});
  host_.Connect(/*epoch=*/2, "evil");
  ExpectRefused(Opening(RealDecisions()), 2);
  host_.Feed(LinkDown{});
  host_.Connect(/*epoch=*/1'000'000, "evil");
  ExpectRefused(Opening({Signed(kCommander, "attacker", host_.body)}),
                1'000'000);
  // An honest one takes one more than the highest, and isolating needs none.
  host_.Feed(LinkDown{});
  host_.Connect(/*epoch=*/3, "honest");
  EXPECT_EQ(host_.Give(NextOrder(), IsolateHost{"alarm"}, 3).outcome,
            Outcome::kDone);
}

TEST_F(Malicious, CannotInventARotation) {
  const std::string text = NewKeys(1).Body();
  ExpectRefused(SignedBy({}, text));
  ExpectRefused(SignedBy({"attacker", "attacker"}, text));
  // The new people do not vouch for themselves.
  ExpectRefused(SignedBy({"new-commander", "new-owner"}, text));
  // A signature for another purpose, or over another text.
  ExpectRefused(SignedBy({kCommander, kOwner}, text, signed_as::kDecision));
  ChangeTrust other = SignedBy({kCommander, kOwner}, NewKeys(2).Body());
  other.text = text;
  ExpectRefused(other);
  ExpectOldKeysCount();
}

TEST_F(Malicious, CannotRotateWithTooFewOldKeys) {
  const std::string text = NewKeys(1).Body();
  ExpectRefused(SignedBy({kCommander}, text));
  ExpectRefused(SignedBy({kCommander, kCommander}, text));
  ExpectRefused(SignedBy({kOwner, "attacker"}, text));
  const Report report = host_.Give(NextOrder(), SignedBy({kOwner}, text));
  EXPECT_THAT(report.reason, HasSubstr("missing incident-commander"));
  ExpectOldKeysCount();
}

TEST_F(Malicious, CannotRotateForAnotherHostOrEstateOrToNobody) {
  Rotation rotation = NewKeys(1);
  rotation.hosts = {HostId("db-1")};
  ExpectRefused(SignedBy({kCommander, kOwner}, rotation.Body()));
  rotation = NewKeys(1);
  rotation.estate = EstateId("another");
  ExpectRefused(SignedBy({kCommander, kOwner}, rotation.Body()));
  rotation = NewKeys(1);
  rotation.approvers.pop_back();  // the new minimum could never be met
  ExpectRefused(SignedBy({kCommander, kOwner}, rotation.Body()));
  rotation = NewKeys(1);
  rotation.quorum.clear();
  ExpectRefused(SignedBy({kCommander, kOwner}, rotation.Body()));
  ExpectRefused(SignedBy({kCommander, kOwner}, NewKeys(1).Body() + "host x\n"));
  ExpectOldKeysCount();
}

TEST_F(Malicious, CannotReplayAnOlderRotation) {
  const ChangeTrust first = SignedBy({kCommander, kOwner}, NewKeys(1).Body());
  ExpectDone(first);
  // From here the old keys open nothing, and rotate nothing.
  ExpectRefused(Opening(RealDecisions()));
  ExpectRefused(SignedBy({kCommander, kOwner}, NewKeys(2).Body()));
  const ChangeTrust second =
      SignedBy({"new-commander", "new-owner"}, NewKeys(3).Body());
  ExpectDone(second);
  ExpectRefused(first);
  // Nor under the serial in force, with whomever's signatures.
  Rotation same = NewKeys(3);
  same.hosts = {HostId("app-1")};
  ExpectRefused(SignedBy({"new-commander", "new-owner"}, same.Body()));
  ExpectDone(second);  // told again, nothing changes
  // Neither a restart of the agent nor a reboot brings the old keys back.
  host_.StartAgent();
  host_.Connect();
  ExpectRefused(first);
  host_.StartAgent("boot-2");
  host_.Connect();
  ExpectRefused(first);
  EXPECT_EQ(host_.state().rotation, NewKeys(3).Body());
}

TEST_F(Malicious, NewKeysOpenAndRootMayTakeThemBack) {
  ExpectDone(SignedBy({kCommander, kOwner}, NewKeys(4).Body()));
  const auto by_new = [&] {
    return std::vector<Decision>{
        Signed("new-commander", "new-commander", host_.body),
        Signed("new-owner", "new-owner", host_.body)};
  };
  ExpectDone(Opening(by_new()));
  EXPECT_TRUE(host_.Passes(kDbFlow));
  // agent.yaml, edited by root, rules again once it says so.
  host_.trust.serial = 4;
  host_.StartAgent();
  host_.Connect();
  EXPECT_EQ(host_.Give(NextOrder(), Opening(by_new())).outcome,
            Outcome::kRefused);
  EXPECT_EQ(host_.Give(NextOrder(), Opening(RealDecisions())).outcome,
            Outcome::kDone);
}

TEST_F(Malicious, CannotSmuggleAStandInIntoTheHostsList) {
  // Roles and names that it presents are not those the host pins.
  Decision decision = Signed("attacker", "attacker", host_.body);
  decision.by = OperatorId(kCommander);
  ExpectRefused(Opening({decision, Signed(kOwner, kOwner, host_.body)}));
  // The pinned list survives a restart of the agent.
  host_.StartAgent();
  host_.Connect();
  ExpectRefused(Opening({decision, Signed(kOwner, kOwner, host_.body)}));
}

// A commander's deputy, who is an approver of no role that the gate asks.
class MaliciousDeputies : public Malicious {
 protected:
  MaliciousDeputies() {
    host_.trust.approvers.push_back(Person("deputy", "technician"));
    host_.StartAgent();
    host_.Connect();
  }
  Delegation Word(const std::string& from, const std::string& to,
                  const std::string& role) {
    return {.estate = EstateId("city-utility"),
            .delegator = OperatorId(from),
            .deputy = OperatorId(to),
            .roles = {RoleId(role)},
            .from = absl::FromUnixSeconds(1'795'000'000 + ++words_),
            .until = absl::FromUnixSeconds(1'795'000'060 + words_)};
  }
  ChangeTrust Given(const Delegation& word) {
    return SignedBy({word.delegator.str()}, word.Body(),
                    signed_as::kDelegation);
  }
  std::vector<Decision> By(const std::vector<std::string>& people) {
    std::vector<Decision> decisions;
    for (const std::string& one : people) {
      decisions.push_back(Signed(one, one, host_.body));
    }
    return decisions;
  }
  int words_ = 0;
};

TEST_F(MaliciousDeputies, ADeputyFillsTheSeatForItsTimeAlone) {
  ExpectRefused(Opening(By({"deputy", kOwner})));
  const ChangeTrust word =
      Given(Word(kCommander, "deputy", "incident-commander"));
  ExpectDone(word);
  host_.Pass(absl::Seconds(59));
  ExpectDone(word);  // told again: no new minute begins
  host_.Pass(absl::Seconds(1));
  ExpectRefused(Opening(By({"deputy", kOwner})));
  ExpectDone(Given(Word(kCommander, "deputy", "incident-commander")));
  ExpectDone(Opening(By({"deputy", kOwner})));
  EXPECT_TRUE(host_.Passes(kDbFlow));
}

// Whoever stole a key gives nothing away once root has taken it out.
TEST_F(MaliciousDeputies, ADelegationEndsWithTheKeyThatSignedIt) {
  ExpectDone(Given(Word(kCommander, "deputy", "incident-commander")));
  for (Approver& one : host_.trust.approvers) {
    if (one.id == OperatorId(kCommander)) {
      one.key = people_.at("new-commander").public_key().Line();
    }
  }
  host_.StartAgent();  // without a reboot
  host_.Connect();
  ExpectRefused(Opening(By({"deputy", kOwner})));
}

TEST_F(MaliciousDeputies, CannotInventOrStretchADelegation) {
  const Delegation word = Word(kCommander, "deputy", "incident-commander");
  ExpectRefused(SignedBy({"deputy"}, word.Body(), signed_as::kDelegation));
  ExpectRefused(SignedBy({kCommander}, word.Body(), signed_as::kDecision));
  ChangeTrust longer = Given(word);
  Delegation stretched = word;
  stretched.until += absl::Hours(1);
  longer.text = stretched.Body();
  ExpectRefused(longer);
  // Only what one has oneself, and only to whom the host knows.
  ExpectRefused(Given(Word(kOwner, "deputy", "incident-commander")));
  ExpectRefused(Given(Word(kCommander, "attacker", "incident-commander")));
  ExpectRefused(Opening(By({"deputy", kOwner})));
  // A reboot ends it, and the same word does not begin again.
  ExpectDone(Given(word));
  host_.StartAgent("boot-2");
  host_.Connect();
  ExpectRefused(Given(word));
}

TEST_F(MaliciousDeputies, CannotGoBackToAnOlderDelegation) {
  const Delegation old = Word(kCommander, "deputy", "incident-commander");
  Delegation none = Word(kCommander, "deputy", "incident-commander");
  none.roles.clear();
  ExpectDone(Given(old));
  ExpectDone(Given(none));  // taken back
  ExpectRefused(Given(old));
  ExpectRefused(Opening(By({"deputy", kOwner})));
  // Nor does one outlive the keys it was given with.
  ExpectDone(Given(Word(kCommander, "deputy", "incident-commander")));
  Rotation rotation = NewKeys(1);
  rotation.approvers.insert(rotation.approvers.begin(),
                            {OperatorId("deputy"),
                             {RoleId("technician")},
                             people_.at("deputy").public_key().Line()});
  ExpectDone(SignedBy({kCommander, kOwner}, rotation.Body()));
  ExpectRefused(Opening(By({"deputy", "new-owner"})));
}

TEST_F(MaliciousDeputies, CannotCountOnePersonForTwo) {
  // One person for both seats, as themselves and as a deputy.
  ExpectDone(Given(Word(kOwner, kCommander, "system-owner")));
  ExpectRefused(Opening(By({kCommander})));
  // Two deputies' worth of roles in one hand are one vote.
  ExpectDone(Given(Word(kOwner, "deputy", "system-owner")));
  ExpectDone(Given(Word(kCommander, "deputy", "incident-commander")));
  ExpectRefused(Opening(By({"deputy"})));
}

// It may empty the sensor as often as it likes: whoever votes sees what the
// sensor held before, in what the host itself signs.
TEST_F(Malicious, CannotHideWhatTheSensorHeldByBeginningItAnew) {
  const Attempt beacon{true, Protocol::kTcp, *Prefix::Parse("203.0.113.66"),
                       443, 12};
  host_.memory().Refused(beacon);
  for (int i = 0; i < 20; ++i) {
    ExpectDone(IsolateHost{"", absl::StrCat("evil/", i)});
  }
  EXPECT_TRUE(host_.fence.Read()->attempts.empty());
  // Nor by naming an act that was done, or by a restart in between.
  host_.memory().Refused(beacon);
  ExpectDone(IsolateHost{"", "evil/19"});
  EXPECT_EQ(host_.fence.Read()->attempts.size(), 1u);
  host_.StartAgent("boot-9");
  host_.Connect();
  host_.hold_checks = true;
  host_.Order(NextOrder(), FreezeEvidence{"data/9", {Inspection("a")}});
  ASSERT_EQ(host_.held.size(), 1u);
  const auto& past = host_.held[0].past;
  ASSERT_NE(past, nullptr);
  EXPECT_EQ(past->times, 20u);
  EXPECT_EQ(past->held.peers.begin()->second.times, 12u);
}

}  // namespace
}  // namespace sluice::agent
