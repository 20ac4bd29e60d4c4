// An asking gate as an honest orchestrator shows it: everything in it follows
// from one manifest, and each host signed its evidence. Tests make it lie.

#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/contract.h"
#include "common/digest.h"
#include "common/release_order.h"
#include "common/sshsig.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/opening.h"
#include "orchestrator/planner/plan.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

inline constexpr char kHonestManifest[] = R"(
sluice: 1
estate: city-utility
management: {orchestrators: ["10.77.0.1:7443"], operators: [10.77.0.0/28]}
approvers:
  duty-commander: {roles: [incident-commander]}
  billing-owner: {roles: [system-owner]}
hosts:
  app-1: {address: [10.77.0.31]}
  db-1: {address: [10.77.0.21]}
systems:
  billing-db:
    category: billing
    hosts: [db-1]
    ports: {postgres: 5432/tcp}
  billing-engine:
    category: billing
    hosts: [app-1]
    ports: {web: 8080/tcp}
    needs: [billing-db:postgres]
    inspect: [{listeners: declared-only}]
    health: [{tcp: web}]
    soak: 5m
stages:
  - name: data
    systems: [billing-db]
    gate: {approvals: {incident-commander: 1}}
  - name: applications
    systems: [billing-engine]
    gate: {approvals: {incident-commander: 1, system-owner: 1}}
)";

class HonestGate {
 public:
  HonestGate() {
    ManifestSources sources;
    sources.files.push_back({"manifest.yaml", kHonestManifest});
    const ManifestResult result = ParseManifest(sources);
    SLUICE_CHECK(result.ok());
    plan = *MakePlan(result.model);
    for (const char* host : {"app-1", "db-1"}) {
      keys.emplace(host, SshSigner::Make());
      evidence[host] = Evidence(host, 4);
    }
  }

  // What the agents of these hosts would write.
  std::string Evidence(const std::string& host, int quarantine) const {
    std::string text =
        absl::StrCat("sluice evidence 1\nestate city-utility\nhost ", host,
                     "\nboot 4a1c\nquarantine-number ", quarantine,
                     "\nround applications/2\nfrozen-at-ms 5310022\n");
    const PlannedStep& step = *plan->FindStep(StepId("billing-engine"));
    if (step.hosts[0] != HostId(host)) return text;
    for (const PlannedCheck& check : step.inspect) {
      absl::StrAppend(&text, "inspect ", check.id.str(), " ", check.spec.Line(),
                      "\npass no sign found\n");
    }
    return text;
  }

  ReleaseOrder Order() const {
    const PlannedStage& stage = *plan->FindStage(StageId("applications"));
    ReleaseOrder order;
    order.estate = plan->estate;
    order.run = RunId("2026-11-21-1");
    order.plan_digest = plan->digest;
    order.stage = stage.id;
    order.stage_digest = stage.digest;
    order.round = 2;
    order.started_by = OperatorId("duty-commander");
    order.quorum = stage.gate.approvals;
    order.no_self_approval = stage.gate.no_self_approval;
    order.journal_head = Sha256("head");
    order.valid_seconds = absl::ToInt64Seconds(stage.gate.evidence_max_age);
    order.confirm = stage.gate.confirm;
    order.steps = {StepId("billing-engine")};
    const std::set<HostId> part = {HostId("app-1"), HostId("db-1")};
    const auto terms = TermsOfHosts(*plan, order.steps);
    for (const HostId& host : part) {
      order.hosts.push_back({.id = host,
                             .quarantine_number = 4,
                             .evidence_digest = Sha256(evidence.at(host.str())),
                             .flows_digest = FlowsDigest(FlowsOf(host)),
                             .lease_seconds = terms.at(host).lease_seconds,
                             .soak_seconds = terms.at(host).soak_seconds});
    }
    return order;
  }

  std::vector<Flow> FlowsOf(const HostId& host) const {
    std::vector<Flow> all;
    for (const auto& [grant, flows] :
         FlowsAmong(*plan, {StepId("billing-engine")},
                    {HostId("app-1"), HostId("db-1")}, host)) {
      all.insert(all.end(), flows.begin(), flows.end());
    }
    return all;
  }

  // Into a gate that is otherwise filled: body, flows, evidence.
  void Fill(const ReleaseOrder& order, v1::GateDetail* detail) const {
    detail->set_body(order.Body());
    detail->mutable_gate()->set_id("applications");
    detail->mutable_gate()->set_round(2);
    detail->mutable_gate()->set_state("asking");
    detail->mutable_gate()->set_body_digest(order.Digest());
    detail->mutable_gate()->clear_steps();
    detail->mutable_gate()->add_steps("billing-engine");
    detail->clear_flows();
    detail->clear_evidence();
    for (const auto& [host, text] : evidence) {
      v1::HostFlows* flows = detail->add_flows();
      flows->set_host(host);
      for (const Flow& flow : FlowsOf(HostId(host))) {
        flows->add_flows(flow.Line());
      }
      v1::HostEvidence* one = detail->add_evidence();
      one->set_host(host);
      one->set_digest(Sha256(text));
      one->set_text(text);
      one->set_signature(keys.at(host).Sign(signed_as::kEvidence, text));
      one->set_answer("accepts");
      if (host != "app-1") continue;
      v1::CheckResult* result = one->add_results();
      result->set_id("billing-engine/inspect-1");
      result->set_verdict(v1::VERDICT_PASS);
      result->set_reason("no sign found");
      result->set_said_by("host app-1");
    }
  }

  std::string HostKeys() const {
    std::string text;
    for (const auto& [host, key] : keys) {
      absl::StrAppend(&text, host, " ", key.public_key().Line(), "\n");
    }
    return text;
  }

  std::shared_ptr<const Plan> plan;
  std::map<std::string, SshSigner> keys;
  std::map<std::string, std::string> evidence;
};

}  // namespace sluice::cli
