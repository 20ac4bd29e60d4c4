// What an operator's own `sluice` refuses to sign, whatever the orchestrator
// says: each test is one lie.

#include "orchestrator/cli/own_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"
#include "tests/scenarios/fake_world.h"
#include "tests/unit/cli/honest_gate.h"
#include "tests/unit/engine/test_plan.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;

class OwnCopyTest : public ::testing::Test {
 protected:
  OwnCopyTest() {
    own_.plan = honest_.plan;
    own_.keys_file = "hosts.keys";
    own_.host_keys = *ParseHostKeys(honest_.HostKeys(), "hosts.keys");
    order_ = honest_.Order();
    honest_.Fill(order_, &detail_);
  }

  absl::Status Check() {
    const absl::Status order = CheckOrder(order_, *own_.plan);
    return order.ok() ? CheckEvidence(order_, detail_, own_, &without_pass_)
                      : order;
  }
  void ExpectRefused(const std::string& words) {
    const absl::Status status = Check();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(status.message(), HasSubstr(words));
    EXPECT_THAT(status.message(), HasSubstr("Nothing was signed"));
  }
  // The evidence of app-1 as the orchestrator would like it, consistent with
  // the order.
  void Forge(const std::string& text, const std::string& signature) {
    v1::HostEvidence* app = detail_.mutable_evidence(0);
    app->set_text(text);
    app->set_digest(Sha256(text));
    app->set_signature(signature);
    order_.hosts[0].evidence_digest = Sha256(text);
  }

  HonestGate honest_;
  OwnCopy own_;
  ReleaseOrder order_;
  v1::GateDetail detail_;
  std::vector<std::string> without_pass_;
};

TEST_F(OwnCopyTest, TakesWhatDoesNotPassOnlyWhenItIsShownAsWaived) {
  std::string text = honest_.evidence.at("app-1");
  text = absl::StrReplaceAll(text, {{"pass no sign found", "fail a listener"}});
  Forge(text, honest_.keys.at("app-1").Sign(signed_as::kEvidence, text));
  v1::CheckResult* result = detail_.mutable_evidence(0)->mutable_results(0);
  result->set_verdict(v1::VERDICT_FAIL);
  result->set_reason("a listener");
  ExpectRefused("has no pass for");
  const char* const other =
      "billing-engine: waived until 12:00 UTC: billing-engine/inspect-10, by x";
  detail_.mutable_gate()->add_waived(other);
  ExpectRefused("has no pass for");
  detail_.mutable_gate()->add_waived(
      "billing-engine: waived until 12:00 UTC: billing-engine/inspect-1 (fail "
      "on app-1: a listener), by duty-commander: known");
  EXPECT_TRUE(Check().ok()) << Check();
  EXPECT_EQ(without_pass_.front(), "billing-engine/inspect-1 on app-1");
  // It is never shown better than the host signed it.
  result->set_verdict(v1::VERDICT_PASS);
  ExpectRefused("another verdict");
}

TEST_F(OwnCopyTest, AcceptsWhatFollowsFromTheManifestAndTheHosts) {
  EXPECT_TRUE(Check().ok()) << Check();
}

// Nobody's program signs for a point that this manifest calls manual, and none
// says there that a check passed.
TEST_F(OwnCopyTest, TakesUnsignedEvidenceOfManualPointsAlone) {
  v1::HostEvidence* database = nullptr;
  for (v1::HostEvidence& one : *detail_.mutable_evidence()) {
    if (one.host() == "db-1") database = &one;
  }
  ASSERT_NE(database, nullptr);
  database->clear_signature();
  own_.host_keys.erase(HostId("db-1"));
  ExpectRefused("has no key of that host");
  ManifestSources sources;
  sources.files.push_back(
      {"manifest.yaml",
       absl::StrReplaceAll(kHonestManifest, {{"db-1: {address: [10.77.0.21]}",
                                              "db-1: {address: [10.77.0.21], "
                                              "enforcement: manual}"}})});
  own_.plan = *MakePlan(ParseManifest(sources).model);
  EXPECT_TRUE(Check().ok()) << Check();
  // The other host is not manual here, whatever the orchestrator shows.
  detail_.mutable_evidence(0)->clear_signature();
  ExpectRefused("not signed by that host");
  honest_.Fill(order_, &detail_);
  const std::string text = absl::StrCat(
      honest_.evidence.at("db-1"), "inspect db-1/inspect-1 x\npass clean\n");
  for (v1::HostEvidence& one : *detail_.mutable_evidence()) {
    if (one.host() != "db-1") continue;
    one.set_text(text);
    one.set_digest(Sha256(text));
  }
  for (ReleaseOrder::Host& host : order_.hosts) {
    if (host.id == HostId("db-1")) host.evidence_digest = Sha256(text);
  }
  ExpectRefused("says that a check passed");
}

// After a re-plan elsewhere in the estate a gate keeps its round.
TEST_F(OwnCopyTest, AcceptsTheSameStageOfAnotherPlanAndSaysSo) {
  EXPECT_EQ(PlanBeside(order_, *own_.plan, own_.plan->digest), "");
  order_.plan_digest = Sha256("another");
  EXPECT_TRUE(Check().ok()) << Check();
  EXPECT_THAT(PlanBeside(order_, *own_.plan, own_.plan->digest),
              HasSubstr("the newer one in force"));
  EXPECT_THAT(PlanBeside(order_, *own_.plan, order_.plan_digest),
              HasSubstr("an older one"));
  EXPECT_THAT(PlanBeside(order_, *own_.plan, ""),
              HasSubstr("neither is said to be in force"));
}

TEST_F(OwnCopyTest, RefusesAnotherStage) {
  order_.stage_digest = Sha256("another");
  ExpectRefused("another digest");
  order_ = honest_.Order();
  order_.stage = StageId("secret");
  ExpectRefused("no stage secret");
  order_ = honest_.Order();
  order_.steps.emplace_back("billing-db");
  ExpectRefused("not part of stage");
  order_ = honest_.Order();
  order_.estate = EstateId("other");
  ExpectRefused("estate other");
}

TEST_F(OwnCopyTest, RefusesWeakerRules) {
  order_.quorum.erase(RoleId("system-owner"));
  ExpectRefused("asks for other people");
  order_ = honest_.Order();
  order_.no_self_approval = !order_.no_self_approval;
  ExpectRefused("rules on who approves");
  order_ = honest_.Order();
  order_.valid_seconds *= 10;
  ExpectRefused("valid for another time");
  order_ = honest_.Order();
  order_.hosts[0].soak_seconds = 0;
  ExpectRefused("lease or the soak on app-1");
  order_ = honest_.Order();
  order_.hosts[1].lease_seconds = 3600;
  ExpectRefused("lease or the soak on db-1");
}

TEST_F(OwnCopyTest, RefusesOtherFlows) {
  order_.hosts[1].flows_digest =
      FlowsDigest({*Flow::Parse("tcp 10.77.0.31 10.77.0.21 22")});
  ExpectRefused("other flows would open on db-1");
}

TEST_F(OwnCopyTest, RefusesEvidenceThatNoHostSigned) {
  const std::string better =
      absl::StrReplaceAll(honest_.evidence["app-1"], {{"pass", "pass "}});
  Forge(better, detail_.evidence(0).signature());
  ExpectRefused("is not signed by that host");
  // Nor does another host's key help.
  Forge(better, honest_.keys.at("db-1").Sign(signed_as::kEvidence, better));
  ExpectRefused("is not signed by that host");
  Forge(better, honest_.keys.at("app-1").Sign(signed_as::kDecision, better));
  ExpectRefused("is not signed by that host");
  Forge(better, "");
  ExpectRefused("is not signed by that host");
}

TEST_F(OwnCopyTest, RefusesEvidenceOfAnotherTime) {
  const std::string old = honest_.Evidence("app-1", 3);
  Forge(old, honest_.keys.at("app-1").Sign(signed_as::kEvidence, old));
  ExpectRefused("quarantine-number 4");
}

TEST_F(OwnCopyTest, RefusesEvidenceThatAnswersAnotherQuestion) {
  const std::string tame = absl::StrReplaceAll(
      honest_.evidence["app-1"], {{"allow=declared-only", "allow=anything"}});
  ASSERT_NE(tame, honest_.evidence["app-1"]);
  Forge(tame, honest_.keys.at("app-1").Sign(signed_as::kEvidence, tame));
  ExpectRefused("which your manifest asks");
}

TEST_F(OwnCopyTest, RefusesEvidenceThatDoesNotPass) {
  const std::string bad = absl::StrReplaceAll(
      honest_.evidence["app-1"], {{"pass no sign", "fail a sign"}});
  Forge(bad, honest_.keys.at("app-1").Sign(signed_as::kEvidence, bad));
  ExpectRefused("has no pass");
}

TEST_F(OwnCopyTest, RefusesVerdictsShownOtherwiseThanSigned) {
  detail_.mutable_evidence(0)->mutable_results(0)->set_reason("all is well");
  ExpectRefused("shown with another verdict");
}

TEST_F(OwnCopyTest, RefusesEvidenceThatIsNotTheOrders) {
  detail_.mutable_evidence(0)->set_digest(Sha256("another"));
  ExpectRefused("not the one in the release order");
  detail_.mutable_evidence()->DeleteSubrange(0, 1);
  ExpectRefused("is not shown");
}

TEST_F(OwnCopyTest, RefusesAHostWhoseKeyNobodyWroteDown) {
  own_.host_keys.erase(HostId("db-1"));
  ExpectRefused("has no key of that host");
}

// What the engine writes and what the operator's copy gives are worked out in
// two places; every stage of an estate agrees.
TEST(OwnCopyOfTheEngine, GivesWhatTheEnginePutsToEachGate) {
  testing::FakeWorld world;
  ASSERT_TRUE(world.Adopt(testing::kUtility).ok());
  world.ConnectAll();
  engine::IsolationOrdered all;
  all.by = OperatorId("duty-commander");
  ASSERT_TRUE(world.Isolate(all).ok());
  ASSERT_TRUE(world.Start("duty-commander").ok());
  for (const char* gate : {"foundations", "applications", "outside"}) {
    const auto detail =
        world.engine().MakeGateDetail(StageId(gate), world.now());
    ASSERT_TRUE(detail.ok());
    ASSERT_EQ(detail->gate.state, "asking") << gate;
    const auto order = ReleaseOrder::Parse(detail->body);
    ASSERT_TRUE(order.ok()) << order.status();
    const absl::Status same = CheckOrder(*order, *world.plan());
    EXPECT_TRUE(same.ok()) << gate << ": " << same;
    for (const char* by : {"duty-commander", "billing-owner"}) {
      world.Decide(gate, by, true).IgnoreError();
    }
    world.Advance(absl::Minutes(2));
  }
}

TEST(HostKeys, AreOneLineAHost) {
  const std::string line = SshSigner::Make().public_key().Line();
  EXPECT_EQ(ParseHostKeys("# c\n\na " + line + " note\nb " + line + "\n", "f")
                ->size(),
            2u);
  EXPECT_THAT(
      ParseHostKeys("a " + line + "\na " + line, "f").status().message(),
      HasSubstr("f:2: a stands twice"));
  EXPECT_FALSE(ParseHostKeys("a ssh-ed25519 AAAA", "f").ok());
  EXPECT_FALSE(ParseHostKeys("a", "f").ok());
}

}  // namespace
}  // namespace sluice::cli
