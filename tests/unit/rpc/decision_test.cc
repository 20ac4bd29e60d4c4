// Whose decisions are taken, and what the others are told.

#include <gmock/gmock.h>

#include <string>
#include <utility>

#include "absl/strings/str_replace.h"
#include "common/decision_text.h"
#include "common/digest.h"
#include "common/sshsig.h"
#include "sluice/v1/operator.pb.h"
#include "tests/unit/rpc/keyed_world.h"

namespace sluice::rpc {
namespace {

using ::testing::HasSubstr;

class Decisions : public KeyedWorld {
 protected:
  void SetUp() override { Begin(WithKeys(testing::kUtility)); }

  engine::GateDetail Gate() {
    return *world_.engine().MakeGateDetail(StageId("foundations"),
                                           world_.now());
  }

  v1::DecideRequest Go(const std::string& by) {
    const engine::GateDetail gate = Gate();
    v1::DecideRequest request;
    request.set_gate("foundations");
    request.set_go(true);
    request.set_body_digest(gate.gate.body_digest);
    request.set_signature(keys_.at(by).Sign(signed_as::kDecision, gate.body));
    return request;
  }

  absl::StatusOr<engine::Event> Make(const std::string& by,
                                     const v1::DecideRequest& request) {
    return MadeNow(MakeDecision(OperatorId(by), request));
  }
  absl::Status Decide(const std::string& by, const v1::DecideRequest& request) {
    return Apply(Make(by, request));
  }
};

TEST_F(Decisions, AreTakenWithTheSignatureOfThePersonWhoAsks) {
  const auto event = Make("duty-commander", Go("duty-commander"));
  ASSERT_TRUE(event.ok()) << event.status();
  const auto& made = std::get<engine::DecisionMade>(*event);
  EXPECT_EQ(made.body_digest, Sha256(Gate().body));
  EXPECT_TRUE(SshVerifier()
                  .Verify(keys_.at("duty-commander").public_key().Line(),
                          signed_as::kDecision, Gate().body, made.signature)
                  .ok());
}

TEST_F(Decisions, WithoutASignatureOrWithAnothersAreRefused) {
  v1::DecideRequest request = Go("duty-commander");
  request.clear_signature();
  EXPECT_THAT(Make("duty-commander", request).status().message(),
              HasSubstr("without a signature"));
  const absl::Status other =
      Make("duty-commander", Go("second-commander")).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(other.message(),
              HasSubstr(keys_.at("duty-commander").public_key().Fingerprint()));
  request.set_signature(std::string(20'000, 'x'));
  EXPECT_THAT(Make("duty-commander", request).status().message(),
              HasSubstr("16 KiB"));
}

TEST_F(Decisions, SignedForAnotherPurposeOrTextAreRefused) {
  v1::DecideRequest request = Go("duty-commander");
  request.set_signature(
      keys_.at("duty-commander").Sign(signed_as::kLogin, Gate().body));
  EXPECT_FALSE(Make("duty-commander", request).ok());
  request.set_signature(keys_.at("duty-commander")
                            .Sign(signed_as::kDecision, Gate().body + "\n"));
  EXPECT_FALSE(Make("duty-commander", request).ok());
}

// A no-go that was overheard must not open anything, nor a go close it.
TEST_F(Decisions, ForANoGoAreAnotherText) {
  v1::DecideRequest request = Go("duty-commander");
  request.set_reason("wait");
  request.set_go(false);
  EXPECT_FALSE(Make("duty-commander", request).ok());
  const std::string text = NoGoText(request.body_digest(), "wait");
  request.set_signature(
      keys_.at("duty-commander").Sign(signed_as::kDecision, text));
  EXPECT_TRUE(Make("duty-commander", request).ok());
  request.set_reason("wait longer");
  EXPECT_FALSE(Make("duty-commander", request).ok());
  request.set_go(true);
  EXPECT_FALSE(Make("duty-commander", request).ok());
}

TEST_F(Decisions, OfTwoAtTheSameInstantOneReleasesAndOneIsTold) {
  const v1::DecideRequest first = Go("duty-commander");
  const v1::DecideRequest second = Go("second-commander");
  ASSERT_TRUE(Decide("duty-commander", first).ok());
  const absl::Status late = Decide("second-commander", second);
  EXPECT_EQ(late.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(late.message(), HasSubstr("is not open"));
}

TEST_F(Decisions, OfTheSamePersonTwiceCountOnce) {
  // The gate of the applications asks two people.
  const v1::DecideRequest request = Go("duty-commander");
  ASSERT_TRUE(Decide("duty-commander", request).ok());
  EXPECT_FALSE(Decide("duty-commander", request).ok());
}

TEST_F(Decisions, AfterTheGatesTimeAreTold) {
  const v1::DecideRequest request = Go("duty-commander");
  world_.Advance(absl::Minutes(31));
  const absl::Status late = Decide("duty-commander", request);
  EXPECT_EQ(late.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(late.message(), HasSubstr("retry"));
}

TEST_F(Decisions, AfterEvidenceChangedAreTold) {
  const v1::DecideRequest request = Go("duty-commander");
  const std::string before = Gate().gate.body_digest;
  world_.Lose(HostId("db-1"));
  world_.agent(HostId("db-1")).Reboot();
  world_.Connect(HostId("db-1"));
  ASSERT_NE(Gate().gate.body_digest, before);
  const absl::Status late = Decide("duty-commander", request);
  EXPECT_EQ(late.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(late.message(), HasSubstr("changed since you looked"));
}

TEST_F(Decisions, OfTheRunBeforeAreTold) {
  const v1::DecideRequest request = Go("duty-commander");
  engine::RunEnded end;
  end.by = OperatorId("duty-commander");
  end.reason = "another manifest";
  ASSERT_TRUE(world_.Ask(end).ok());
  EXPECT_THAT(Decide("duty-commander", request).message(),
              HasSubstr("no run is active"));
}

// An owner's word on the telephone: it counts in the owner's role, under the
// signature of who passes it on, and every text says that it was relayed.
TEST_F(Decisions, AWordThatIsPassedOnSaysSoEverywhere) {
  const std::string manifest = absl::StrReplaceAll(
      testing::kUtility,
      {{"needs: [directory:ldap]\n    inspect: [{listeners: declared-only}]",
        "needs: [directory:ldap]\n    inspect: [{listeners: declared-only}, "
        "{task: {what: books fit, owner: system-owner}}]"}});
  Begin(WithKeys(manifest));
  const engine::View view = world_.engine().MakeView(world_.now());
  ASSERT_EQ(view.tasks.size(), 1u);

  TaskText text{.estate = view.estate,
                .run = view.run.id,
                .task = view.tasks[0].id,
                .what = view.tasks[0].what,
                .relayed_for = OperatorId("billing-owner"),
                .note = "called at 17:40"};
  const auto sign = [&](const std::string& relayed_for) {
    v1::SignTaskRequest request;
    request.set_task(text.task.str());
    request.set_note(text.note);
    request.set_relayed_for(relayed_for);
    request.set_signature(
        keys_.at("duty-commander").Sign(signed_as::kTask, text.Body()));
    return MadeNow(MakeSignature(OperatorId("duty-commander"), request));
  };
  // Not as their own, not for themselves, for nobody, or for a stranger.
  EXPECT_EQ(sign("").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(sign("duty-commander").status().message(),
              HasSubstr("relays their own word"));
  EXPECT_EQ(sign("stranger").status().code(), absl::StatusCode::kNotFound);
  // The signature is over the text that says for whom.
  const OperatorId owner = std::exchange(text.relayed_for, OperatorId());
  EXPECT_FALSE(sign("billing-owner").ok());
  text.relayed_for = owner;
  const auto event = sign("billing-owner");
  ASSERT_TRUE(event.ok()) << event.status();
  const auto& made = std::get<engine::TaskSigned>(*event);
  EXPECT_EQ(made.by, OperatorId("duty-commander"));
  EXPECT_THAT(*made.text, HasSubstr("relayed-for billing-owner"));
  ASSERT_TRUE(world_.engine().Admit(*event, world_.now()).ok());
  world_.Tell(*event);
  const engine::TaskView done = world_.engine().MakeView(world_.now()).tasks[0];
  EXPECT_TRUE(done.done);
  EXPECT_EQ(done.by, OperatorId("duty-commander"));
  EXPECT_EQ(done.note,
            "relayed, billing-owner told duty-commander: called at 17:40");
}

TEST_F(Decisions, AWaiverIsSignedByWhoGivesIt) {
  world_.agent(HostId("dir-1")).checks[CheckId("directory/health-1")] = {
      Verdict::kFail, "refused", 9};
  ASSERT_TRUE(Decide("duty-commander", Go("duty-commander")).ok());
  world_.Settle();
  const engine::View view = world_.engine().MakeView(world_.now());
  const WaiverText text{.estate = view.estate,
                        .run = view.run.id,
                        .step = StepId("directory"),
                        .check = CheckId("directory/health-1"),
                        .until = world_.now() + absl::Hours(2),
                        .reason = "seen by hand"};
  v1::SkipRequest request;
  request.set_step(text.step.str());
  request.set_check(text.check.str());
  request.set_until_ms(absl::ToUnixMillis(text.until));
  request.set_reason(text.reason);
  const auto made = [&](const std::string& by) {
    return MadeNow(MakeWaiver(OperatorId(by), request));
  };
  EXPECT_THAT(made("duty-commander").status().message(),
              HasSubstr("nothing is decided without a signature"));
  request.set_signature(
      keys_.at("duty-commander").Sign(signed_as::kWaiver, text.Body()));
  const auto event = made("duty-commander");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(*std::get<engine::WaiverGiven>(*event).text, text.Body());
  // Not under another name, for longer, or for another reason.
  EXPECT_EQ(made("second-commander").status().code(),
            absl::StatusCode::kPermissionDenied);
  request.set_until_ms(request.until_ms() + 1);
  EXPECT_EQ(made("duty-commander").status().code(),
            absl::StatusCode::kPermissionDenied);
  request.set_until_ms(request.until_ms() - 1);
  request.set_reason("because");
  EXPECT_EQ(made("duty-commander").status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(Decisions, OfSomebodyWithoutAKeyAreRefused) {
  Begin(testing::kUtility);
  EXPECT_THAT(Make("duty-commander", Go("duty-commander")).status().message(),
              HasSubstr("names no key for duty-commander"));
}

}  // namespace
}  // namespace sluice::rpc
