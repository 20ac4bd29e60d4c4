// Decisions that come too late, twice or at the same instant, over the real
// service: nothing opens by them, and everybody gets the words that help.

#include <gmock/gmock.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/unit/rpc/obedient.h"
#include "tests/unit/rpc/small_estate.h"

namespace sluice::rpc {
namespace {

using ::testing::MatchesRegex;

class Deciding : public SmallEstate {
 protected:
  explicit Deciding(const std::string& gate) {
    absl::StrReplaceAll({{"roles: [technical-lead]",
                          "roles: [technical-lead, "
                          "incident-commander]"},
                         {"    hosts: [db-1]\n",
                          "    hosts: [db-1]\n"
                          "    inspect: [{listeners: declared-only}]\n"}},
                        &manifest_);
    absl::StrAppend(&manifest_,
                    "stages:\n"
                    "  - name: data\n    systems: [database]\n    gate: ",
                    gate,
                    "\n  - name: applications\n    systems: [application]\n"
                    "    gate: {approvals: {incident-commander: 1}}\n");
  }

  void SetUp() override {
    SmallEstate::SetUp();
    for (const char* name : {"duty-commander", "it-lead"}) {
      sessions_[name] = Session(name);
    }
    db_ = Enrolled("db-1");
    app_ = Enrolled("app-1");
    database_ = std::make_unique<Obedient>(Dial(&db_));
    application_ = std::make_unique<Obedient>(Dial(&app_));
    Until("both isolated", [](const v1::Status& status) {
      int isolated = 0;
      for (const v1::Host& host : status.hosts()) {
        isolated += host.fence() == "quarantined" ? 1 : 0;
      }
      return isolated == 2;
    });
    v1::Accepted accepted;
    const grpc::Status started =
        People()->Start(As("duty-commander").get(), {}, &accepted);
    ASSERT_TRUE(started.ok()) << started.error_message();
    Until("the gate asks",
          [](const v1::Status& status) { return StateOf(status) == "asking"; });
  }
  void TearDown() override {
    database_.reset();
    application_.reset();
    SmallEstate::TearDown();
  }

  std::unique_ptr<v1::Operator::Stub> People() {
    return v1::Operator::NewStub(Dial());
  }
  std::unique_ptr<grpc::ClientContext> As(const std::string& who) {
    return Context(sessions_.at(who));
  }
  static std::string StateOf(const v1::Status& status) {
    for (const v1::Gate& gate : status.gates()) {
      if (gate.id() == "data") return gate.state();
    }
    return "";
  }
  void Until(const char* what,
             const std::function<bool(const v1::Status&)>& holds) {
    const auto context = As("it-lead");
    const auto reader = People()->WatchStatus(context.get(), {});
    v1::Status status;
    bool held = false;
    while (!held && reader->Read(&status)) held = holds(status);
    context->TryCancel();
    ASSERT_TRUE(held) << what
                      << " did not come about: " << status.ShortDebugString();
  }

  // What this person sees now, signed by them.
  v1::DecideRequest Go(const std::string& who) {
    v1::GetGateRequest ask;
    ask.set_gate("data");
    v1::GateDetail gate;
    const grpc::Status seen = People()->GetGate(As(who).get(), ask, &gate);
    EXPECT_TRUE(seen.ok()) << seen.error_message();
    v1::DecideRequest request;
    request.set_gate("data");
    request.set_go(true);
    request.set_body_digest(gate.gate().body_digest());
    request.set_signature(
        ThePeople().keys.at(who).Sign(signed_as::kDecision, gate.body()));
    return request;
  }
  grpc::Status Decide(const std::string& who,
                      const v1::DecideRequest& request) {
    v1::Accepted accepted;
    return People()->Decide(As(who).get(), request, &accepted);
  }
  // Not now, in these words; and no host was told to open anything.
  void ExpectTold(const grpc::Status& late, const std::string& words) {
    EXPECT_EQ(late.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(late.error_message(), MatchesRegex(words));
  }

  std::map<std::string, std::string> sessions_;
  Credential db_;
  Credential app_;
  std::unique_ptr<Obedient> database_;
  std::unique_ptr<Obedient> application_;
};

class OneVote : public Deciding {
 protected:
  OneVote() : Deciding("{approvals: {incident-commander: 1}}") {}
};

TEST_F(OneVote, OfTwoAtTheSameInstantOneReleasesAndTheOtherIsTold) {
  const v1::DecideRequest one = Go("duty-commander");
  const v1::DecideRequest two = Go("it-lead");
  grpc::Status first;
  grpc::Status second;
  std::thread other([&] { second = Decide("it-lead", two); });
  first = Decide("duty-commander", one);
  other.join();
  ASSERT_NE(first.ok(), second.ok())
      << first.error_message() << " / " << second.error_message();
  ExpectTold(first.ok() ? second : first,
             "gate 'data' is not open: it was released(.|\n)*");
}

TEST_F(OneVote, OnEvidenceThatChangedIsTold) {
  const v1::DecideRequest before = Go("duty-commander");
  // Another boot, and this time its inspection fails.
  database_ = std::make_unique<Obedient>(
      Dial(&db_), Obedient::Manners{.boot = "another boot",
                                    .evidence = "a listener nobody knows\n",
                                    .inspections = v1::VERDICT_FAIL});
  Until("the gate waits",
        [](const v1::Status& status) { return StateOf(status) == "waiting"; });
  ExpectTold(Decide("duty-commander", before),
             "gate 'data' is not open: it waits: database failed: on db-1: "
             "inspection database/inspect-1 failed: as told; waits for a "
             "person: `sluice retry database`");
}

TEST_F(OneVote, OnThePlanBeforeIsTold) {
  const v1::DecideRequest before = Go("duty-commander");
  v1::PlanRequest plan;
  v1::ManifestFile* file = plan.add_files();
  file->set_name("small.yaml");
  file->set_text(absl::StrReplaceAll(manifest_, {{"soak: 5s", "soak: 9s"}}));
  v1::Accepted accepted;
  const grpc::Status adopted =
      People()->AdoptPlan(As("it-lead").get(), plan, &accepted);
  ASSERT_TRUE(adopted.ok()) << adopted.error_message();
  // Asked anew, about another body.
  Until("the gate asks anew", [&](const v1::Status& status) {
    for (const v1::Gate& gate : status.gates()) {
      if (gate.id() == "data" && gate.state() == "asking" &&
          gate.body_digest() != before.body_digest()) {
        return true;
      }
    }
    return false;
  });
  ExpectTold(Decide("duty-commander", before),
             "gate 'data' changed since you looked: run `sluice show data` and "
             "decide on what it says now");
  EXPECT_TRUE(Decide("duty-commander", Go("duty-commander")).ok());
}

class TwoVotes : public Deciding {
 protected:
  TwoVotes() : Deciding("{approvals: {incident-commander: 2}}") {}
};

TEST_F(TwoVotes, OfTheSamePersonAtTheSameInstantCountOnce) {
  const v1::DecideRequest request = Go("duty-commander");
  grpc::Status first;
  grpc::Status second;
  std::thread other([&] { second = Decide("duty-commander", request); });
  first = Decide("duty-commander", request);
  other.join();
  ASSERT_NE(first.ok(), second.ok());
  ExpectTold(first.ok() ? second : first,
             "duty-commander has decided on this round of gate 'data' already, "
             "and nobody counts twice: wait for the others");
  // The gate still waits for somebody else, who is enough.
  EXPECT_TRUE(Decide("it-lead", Go("it-lead")).ok());
}

class ShortGate : public Deciding {
 protected:
  ShortGate()
      : Deciding("{approvals: {incident-commander: 1}, timeout: 10m}") {}
};

TEST_F(ShortGate, AfterItsTimeIsToldHowToAskAgain) {
  const v1::DecideRequest request = Go("duty-commander");
  clock_.ahead = 11;
  loop_->inbox().Wake();
  Until("the gate holds",
        [](const v1::Status& status) { return StateOf(status) == "held"; });
  ExpectTold(Decide("duty-commander", request),
             "gate 'data' is not open: it holds: nobody completed its quorum "
             "by [0-9:]* UTC; `sluice retry` asks again");
}

// The clock may be past the end before the loop has looked.
TEST_F(ShortGate, AfterItsTimeIsToldSoBeforeAnybodyElseNoticed) {
  const v1::DecideRequest request = Go("duty-commander");
  clock_.ahead = 11;
  const grpc::Status late = Decide("duty-commander", request);
  ExpectTold(late,
             "gate 'data' (asked until|is not open)(.|\n)*`sluice retry` "
             "asks again");
}

}  // namespace
}  // namespace sluice::rpc
