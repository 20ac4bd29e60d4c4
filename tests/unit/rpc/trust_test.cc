// Rotations and delegations on their way through the orchestrator: what it
// takes, whom it counts at the gate, and what it keeps of the hosts' answers.

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "common/delegation.h"
#include "common/rotation.h"
#include "common/sshsig.h"
#include "sluice/v1/operator.pb.h"
#include "tests/unit/rpc/keyed_world.h"

namespace sluice::rpc {
namespace {

using ::testing::HasSubstr;

class TrustChanges : public KeyedWorld {
 protected:
  void SetUp() override {
    manifest_ = absl::StrReplaceAll(
        WithKeys(testing::kUtility),
        {{"hosts: [rep-1]\n",
          "hosts: [rep-1]\n    inspect: [{task: {what: \"figures "
          "reconciled\", owner: system-owner}}]\n"}});
    Begin(manifest_, "second-commander");
  }

  Delegation Word(const std::string& from, const std::string& to,
                  const std::string& role) {
    const absl::Time now =
        absl::FromUnixSeconds(absl::ToUnixSeconds(world_.now()));
    return {.estate = world_.plan()->estate,
            .delegator = OperatorId(from),
            .deputy = OperatorId(to),
            .roles = {RoleId(role)},
            .from = now,
            .until = now + absl::Hours(1)};
  }

  absl::Status Send(const std::string& by, const std::string& text,
                    const std::vector<std::string>& signers,
                    absl::string_view purpose) {
    v1::TrustRequest request;
    request.set_text(text);
    for (const std::string& one : signers) {
      request.add_signatures(keys_.at(one).Sign(purpose, text));
    }
    return Apply(MadeNow(MakeTrustChange(OperatorId(by), request)));
  }
  absl::Status Give(const Delegation& word) {
    return Send(word.deputy.str(), word.Body(), {word.delegator.str()},
                signed_as::kDelegation);
  }

  engine::GateView Gate(const std::string& name) {
    for (const engine::GateView& gate :
         world_.engine().MakeView(world_.now()).gates) {
      if (gate.id.str() == name) return gate;
    }
    return {};
  }
  absl::Status Go(const std::string& by) {
    engine::DecisionMade decision;
    const engine::GateView gate = Gate("foundations");
    decision.gate = gate.id;
    decision.round = gate.round;
    decision.by = OperatorId(by);
    for (const RoleId& role : world_.plan()->FindApprover(decision.by)->roles) {
      decision.roles.push_back(role);
    }
    decision.go = true;
    decision.body_digest = gate.body_digest;
    return world_.Ask(decision);
  }
  std::string TrustOf(const std::string& host) {
    for (const engine::HostView& view :
         world_.engine().MakeView(world_.now()).hosts) {
      if (view.id.str() == host) return view.trust;
    }
    return "";
  }

  // The same estate and one host more.
  std::string Wider() const {
    return absl::StrReplaceAll(
        manifest_,
        {{"hosts: [rep-1]", "hosts: [rep-1, rep-2]"},
         {"  rep-1: {", "  rep-2: {address: [10.0.1.6]}\n  rep-1: {"}});
  }
  std::string TaskNote() {
    for (const engine::TaskView& task :
         world_.engine().MakeView(world_.now()).tasks) {
      if (task.id.str() == kTask) return task.done ? task.note : "open";
    }
    return "no such task";
  }
  static constexpr char kTask[] = "reporting/figures-reconciled";

  std::string manifest_;
};

TEST_F(TrustChanges, ADeputyDecidesForTheDelegatorAndTheGateSaysSo) {
  ASSERT_EQ(Gate("foundations").state, "asking");
  EXPECT_EQ(Go("billing-owner").code(), absl::StatusCode::kPermissionDenied);
  const Delegation word =
      Word("duty-commander", "billing-owner", "incident-commander");
  ASSERT_EQ(Give(word), absl::OkStatus());
  EXPECT_EQ(TrustOf("db-1"), "took delegation by duty-commander");
  ASSERT_EQ(Go("billing-owner"), absl::OkStatus());
  const engine::GateView gate = Gate("foundations");
  EXPECT_EQ(gate.state, "released");
  ASSERT_EQ(gate.votes.size(), 1u);
  EXPECT_THAT(gate.votes[0].stands_in_for,
              ::testing::ElementsAre(OperatorId("duty-commander")));
}

TEST_F(TrustChanges, ADelegationEndsAndIsTakenBack) {
  Delegation word =
      Word("duty-commander", "billing-owner", "incident-commander");
  word.until = word.from + absl::Minutes(5);
  ASSERT_EQ(Give(word), absl::OkStatus());
  world_.Advance(absl::Minutes(5));
  EXPECT_EQ(Go("billing-owner").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Give(word).message(), HasSubstr("sign it when it begins"));
  ASSERT_EQ(Give(Word("duty-commander", "billing-owner", "incident-commander")),
            absl::OkStatus());
  world_.Advance(absl::Seconds(1));
  Delegation back =
      Word("duty-commander", "billing-owner", "incident-commander");
  back.roles.clear();
  ASSERT_EQ(Give(back), absl::OkStatus());
  EXPECT_EQ(Go("billing-owner").code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(TrustChanges, NobodyGivesAwayWhatIsNotTheirs) {
  const Delegation word =
      Word("duty-commander", "billing-owner", "incident-commander");
  EXPECT_EQ(Send("billing-owner", word.Body(), {"billing-owner"},
                 signed_as::kDelegation)
                .code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_FALSE(Send("billing-owner", word.Body(), {"duty-commander"},
                    signed_as::kDecision)
                   .ok());
  EXPECT_THAT(
      Give(Word("billing-owner", "duty-commander", "incident-commander"))
          .message(),
      HasSubstr("cannot give that away"));
  EXPECT_FALSE(
      Give(Word("duty-commander", "stranger", "incident-commander")).ok());
  EXPECT_EQ(TrustOf("db-1"), "");
}

TEST_F(TrustChanges, ARotationReachesEveryHostAndTheirAnswersAreKept) {
  Rotation rotation{.estate = world_.plan()->estate, .serial = 3};
  rotation.hosts = {HostId("app-1"), HostId("db-1")};
  rotation.approvers = {{OperatorId("duty-commander"),
                         {RoleId("incident-commander")},
                         keys_.at("duty-commander").public_key().Line()}};
  rotation.quorum = {{RoleId("incident-commander"), 1}};
  const std::vector<std::string> both = {"duty-commander", "billing-owner"};
  world_.Lose(HostId("app-1"));
  // A signature for another purpose is found before anything is sent.
  EXPECT_FALSE(
      Send("duty-commander", rotation.Body(), both, signed_as::kDecision).ok());
  EXPECT_FALSE(
      Send("duty-commander", rotation.Body(), {}, signed_as::kRotation).ok());
  ASSERT_EQ(Send("duty-commander", rotation.Body(), both, signed_as::kRotation),
            absl::OkStatus());
  EXPECT_EQ(TrustOf("db-1"), "took rotation 3");
  EXPECT_EQ(TrustOf("app-1"), "rotation 3 is on its way");
  // It waits for a host that is away, over an isolation and another run.
  engine::IsolationOrdered all;
  all.by = OperatorId("duty-commander");
  all.confirmation = "utility";
  ASSERT_TRUE(world_.Isolate(all).ok());
  world_.Connect(HostId("app-1"));
  world_.Settle();
  EXPECT_EQ(TrustOf("app-1"), "took rotation 3");
  rotation.serial = 2;
  EXPECT_THAT(
      Send("duty-commander", rotation.Body(), both, signed_as::kRotation)
          .message(),
      HasSubstr("draft one with 4"));
  rotation.serial = 4;
  rotation.hosts.emplace_back("nowhere");
  EXPECT_FALSE(
      Send("duty-commander", rotation.Body(), both, signed_as::kRotation).ok());
}

TEST_F(TrustChanges, ADeputySignsTasksWhereTheDelegationSaysSo) {
  const auto sign = [&] { return world_.Sign(kTask, "second-commander"); };
  EXPECT_EQ(sign().code(), absl::StatusCode::kPermissionDenied);
  Delegation word = Word("billing-owner", "second-commander", "system-owner");
  ASSERT_EQ(Give(word), absl::OkStatus());
  EXPECT_EQ(sign().code(), absl::StatusCode::kPermissionDenied)
      << "only the gates were given";
  world_.Advance(absl::Seconds(1));
  word = Word("billing-owner", "second-commander", "system-owner");
  word.tasks = true;
  EXPECT_FALSE(Send("second-commander", word.Body(), {"second-commander"},
                    signed_as::kDelegation)
                   .ok())
      << "a deputy gives themselves nothing";
  ASSERT_EQ(Give(word), absl::OkStatus());
  EXPECT_EQ(world_.Sign(kTask, "duty-commander").code(),
            absl::StatusCode::kPermissionDenied);
  ASSERT_EQ(sign(), absl::OkStatus());
  EXPECT_EQ(TaskNote(), "stands in for billing-owner");
}

TEST_F(TrustChanges, ADeputySignsNoTaskOnceItHasRunOut) {
  Delegation word = Word("billing-owner", "second-commander", "system-owner");
  word.tasks = true;
  ASSERT_EQ(Give(word), absl::OkStatus());
  world_.Advance(absl::Hours(1));
  EXPECT_EQ(world_.Sign(kTask, "second-commander").code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(TaskNote(), "open");
}

TEST_F(TrustChanges, AHostThatJoinsLaterIsShownWhatHasNotRunOut) {
  Delegation over =
      Word("duty-commander", "billing-owner", "incident-commander");
  over.until = over.from + absl::Minutes(5);
  ASSERT_EQ(Give(over), absl::OkStatus());
  ASSERT_EQ(Give(Word("billing-owner", "second-commander", "system-owner")),
            absl::OkStatus());
  world_.Advance(absl::Minutes(6));
  ASSERT_TRUE(world_.Adopt(Wider(), "duty-commander").ok());
  EXPECT_EQ(TrustOf("rep-2"), "delegation by billing-owner is on its way");
  world_.Connect(HostId("rep-2"));
  world_.Settle();
  EXPECT_EQ(TrustOf("rep-2"), "took delegation by billing-owner");
  EXPECT_EQ(TrustOf("db-1"), "took delegation by billing-owner")
      << "it has seen it, and is not asked again";
}

TEST_F(TrustChanges, AHostThatComesBackOrWasBuiltAnewIsShownItsRotation) {
  Rotation rotation{.estate = world_.plan()->estate, .serial = 3};
  rotation.hosts = {HostId("rep-2")};
  rotation.approvers = {{OperatorId("billing-owner"),
                         {RoleId("system-owner")},
                         keys_.at("billing-owner").public_key().Line()}};
  rotation.quorum = {{RoleId("system-owner"), 1}};
  ASSERT_TRUE(world_.Adopt(Wider(), "duty-commander").ok());
  world_.Connect(HostId("rep-2"));
  world_.Settle();
  ASSERT_EQ(Send("duty-commander", rotation.Body(), {"duty-commander"},
                 signed_as::kRotation),
            absl::OkStatus());
  EXPECT_EQ(TrustOf("rep-2"), "took rotation 3");
  world_.Lose(HostId("rep-2"));
  ASSERT_TRUE(world_.Adopt(manifest_, "duty-commander").ok());
  ASSERT_TRUE(world_.Adopt(Wider(), "duty-commander").ok());
  EXPECT_EQ(TrustOf("rep-2"), "rotation 3 is on its way");
  world_.Connect(HostId("rep-2"));
  world_.Settle();
  EXPECT_EQ(TrustOf("rep-2"), "took rotation 3");

  world_.Lose(HostId("rep-2"));
  engine::IdentityChanged enrolled{
      .what = engine::IdentityChanged::What::kEnrolled,
      .host = HostId("rep-2"),
      .key = "sha256:anew"};
  world_.Tell(enrolled);
  EXPECT_EQ(TrustOf("rep-2"), "rotation 3 is on its way");
  const size_t orders = world_.engine().Outstanding(HostId("rep-2")).size();
  world_.Tell(enrolled);
  EXPECT_EQ(world_.engine().Outstanding(HostId("rep-2")).size(), orders)
      << "what is on its way is not sent twice";
  world_.Connect(HostId("rep-2"));
  world_.Settle();
  EXPECT_EQ(TrustOf("rep-2"), "took rotation 3");
  EXPECT_EQ(TrustOf("db-1"), "") << "it names no other host";
}

}  // namespace
}  // namespace sluice::rpc
