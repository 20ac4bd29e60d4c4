// What a person reads before they sign: what speaks against it comes first.

#include "orchestrator/cli/decision_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "orchestrator/manifest/manifest.h"
#include "tests/unit/cli/golden.h"
#include "tests/unit/cli/honest_gate.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::shared_ptr<const Plan> PlanOf(const std::string& text) {
  ManifestSources sources;
  sources.files.push_back({"manifest.yaml", text});
  const ManifestResult read = ParseManifest(sources);
  EXPECT_TRUE(read.ok());
  return *MakePlan(read.model);
}

void Add(v1::HostEvidence* host, const std::string& id, v1::Verdict verdict,
         const std::string& reason) {
  v1::CheckResult* result = host->add_results();
  result->set_id(id);
  result->set_verdict(verdict);
  result->set_reason(reason);
}

TEST(DecisionSummary, SaysWhatSpeaksAgainstItFirst) {
  setenv("TZ", "UTC", 1);
  const HonestGate honest;
  v1::GateDetail detail;
  honest.Fill(honest.Order(), &detail);
  v1::HostEvidence* app = detail.mutable_evidence(0);
  v1::HostEvidence* db = detail.mutable_evidence(1);
  Add(app, "billing-engine/inspect-2", v1::VERDICT_INCONCLUSIVE,
      "the sensor was reset 4m ago, 60m are asked for");
  Add(app, "billing-engine/inspect-3", v1::VERDICT_FAIL,
      "an undeclared listener on 8123/tcp");
  db->set_answer(
      "refuses: this host's own file wants 2 incident-commander at stage "
      "applications and the gate asks for 1; raise the gate's approvals in "
      "the manifest");
  app->set_answer(
      "accepts, but this host's agent.yaml does not name what will be asked: "
      "unit billing-engine.service; write it there and restart sluice-agent");
  detail.mutable_flows(0)->add_flows("udp 10.77.0.31 10.77.0.21 53");
  v1::Gate* gate = detail.mutable_gate();
  gate->add_waived(
      "billing-engine: waived until 12:00 UTC: billing-engine/inspect-3 (fail "
      "on app-1: an undeclared listener on 8123/tcp), by duty-commander: the "
      "backup agent listens there");
  v1::Vote* vote = gate->add_votes();
  vote->set_by("deputy");
  vote->add_roles("technician");
  vote->add_stands_in_for("duty-commander");
  vote->set_go(true);
  vote->set_at_ms(1'763'719'328'000);
  (*gate->mutable_missing())["system-owner"] = 1;
  const std::string text = DecisionSummary(
      detail, "nothing in this stage since the plan before", 80, Paint(false));
  ExpectFits(text);
  ExpectGolden("go-against.txt", text);
  EXPECT_LT(text.find("fails on app-1"), text.find("waived until"));
  EXPECT_LT(text.find("waived until"), text.find("inconclusive on app-1"));
  EXPECT_LT(text.find("no inspection"), text.find("without a sign"));
}

// The host signed it, so no orchestrator keeps it from who votes.
TEST(DecisionSummary, SaysThatASensorWasBegunAnewThoughAllPasses) {
  const HonestGate honest;
  v1::GateDetail detail;
  honest.Fill(honest.Order(), &detail);
  const auto text = [&] {
    return DecisionSummary(detail, "nothing", 80, Paint(false));
  };
  EXPECT_THAT(text(), Not(HasSubstr("sensor")));
  v1::HostEvidence* app = detail.mutable_evidence(0);
  app->set_text(absl::StrCat(
      app->text(),
      "seen sensor begun anew, in quarantine 7: by ada\n"
      "seen before, undeclared, outside: 203.0.113.66 443/tcp, once\n"
      "seen before, declared, merely early: 1 address\n"));
  EXPECT_THAT(text(), HasSubstr("! app-1: sensor begun anew, in quarantine 7"));
  EXPECT_THAT(text(), HasSubstr("! app-1: before, undeclared, outside: 203"));
  EXPECT_THAT(text(), Not(HasSubstr("merely early")));
}

TEST(DecisionSummary, SaysWhatChangedInThisStageAlone) {
  const auto before = PlanOf(kHonestManifest);
  const auto soak =
      PlanOf(absl::StrReplaceAll(kHonestManifest, {{"soak: 5m", "soak: 6m"}}));
  EXPECT_THAT(StageChanges(*before, *soak, StageId("applications")),
              HasSubstr("soak: 5m becomes 6m"));
  EXPECT_EQ(StageChanges(*before, *soak, StageId("data")),
            "nothing in this stage since the plan before");
  const auto rule = PlanOf(absl::StrReplaceAll(
      kHonestManifest, {{"gate: {approvals: {incident-commander: 1}}",
                         "gate: {approvals: {system-owner: 1}}"}}));
  EXPECT_THAT(StageChanges(*before, *rule, StageId("data")),
              HasSubstr("stage data"));
  const auto renamed = PlanOf(absl::StrReplaceAll(
      kHonestManifest, {{"- name: data", "- name: databases"}}));
  EXPECT_THAT(StageChanges(*before, *renamed, StageId("databases")),
              HasSubstr("this stage is new"));
}

TEST(DecisionSummary, NamesThePromisesThatPointsDoNotKeep) {
  const HonestGate honest;
  v1::GateDetail detail;
  honest.Fill(honest.Order(), &detail);
  const auto add = [&](const std::string& host) {
    v1::NotKept* point = detail.add_not_kept();
    point->set_host(host);
    point->set_enforcement("driven");
    point->add_promises("S3");
    point->add_promises("S4");
    point->set_text(absl::StrCat(host, " is driven: (S3, S4 are not kept)"));
  };
  add("nas-1");
  detail.mutable_evidence(1)->set_answer("by hand: an approver opens it");
  std::string text = DecisionSummary(detail, "", 80, Paint(false));
  EXPECT_LT(text.find("nas-1 is driven: (S3, S4 are not kept)"),
            text.find("agents"));
  // No agent there would accept or refuse anything.
  EXPECT_THAT(text, HasSubstr("opened by hand, no agent looks: db-1"));
  EXPECT_THAT(text, HasSubstr("1 of 1 would accept"));
  for (int i = 2; i < 40; ++i) add(absl::StrCat("nas-", i));
  text = DecisionSummary(detail, "", 80, Paint(false));
  EXPECT_THAT(text,
              HasSubstr("39 points are driven and do not keep S3, S4: nas-1"));
  EXPECT_THAT(text, Not(HasSubstr(" more; `sluice show`")));
}

TEST(DecisionSummary, ThousandsOfFailuresStayAPage) {
  v1::GateDetail detail;
  for (int i = 0; i < 1000; ++i) {
    v1::HostEvidence* host = detail.add_evidence();
    host->set_host(absl::StrCat("host-", i));
    host->set_answer("refuses: no");
    Add(host, "x/inspect-1", v1::VERDICT_FAIL, "no");
  }
  const std::string text = DecisionSummary(detail, "", 80, Paint(false));
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 40);
  EXPECT_THAT(text, HasSubstr("and 992 more"));
}

}  // namespace
}  // namespace sluice::cli
