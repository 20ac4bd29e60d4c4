#include "orchestrator/engine/hand_answer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "orchestrator/engine/hand.h"
#include "orchestrator/engine/orders.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

CheckReport Unchecked(const PlannedCheck& check, const HostId& host) {
  return {check.id,
          {Verdict::kInconclusive,
           absl::StrCat("nobody's program looks at ", host.str(),
                        "; look yourself, and `sluice skip` it"),
           absl::StrCat("host ", host.str())}};
}

std::vector<CheckReport> Unchecked(const std::vector<PlannedCheck>& checks,
                                   const HostId& host) {
  std::vector<CheckReport> reports;
  for (const PlannedCheck& check : checks) {
    reports.push_back(Unchecked(check, host));
  }
  return reports;
}

std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

// The form of an agent's evidence, signed by nobody: it says who closed the
// point, and whatever is asked of it without a verdict.
EvidenceFrozen EvidenceOf(const World& world, const HostId& id,
                          const FreezeEvidence& freeze) {
  const Host& host = world.hosts.at(id);
  EvidenceFrozen frozen;
  frozen.text =
      absl::StrCat("sluice evidence 1\nestate ", world.plan->estate.str(),
                   "\nhost ", id.str(), "\nquarantine-number ",
                   host.fence ? host.fence->quarantine_number : 0, "\nround ",
                   freeze.round, "\nenforcement manual\n");
  if (const std::string said = SaidText(host); !said.empty()) {
    absl::StrAppend(&frozen.text, "by-hand ", OneLine(said), "\n");
  }
  frozen.results = Unchecked(freeze.inspections, id);
  for (size_t i = 0; i < frozen.results.size(); ++i) {
    absl::StrAppend(&frozen.text, "inspect ", freeze.inspections[i].id.str(),
                    " ", freeze.inspections[i].spec.Line(), "\ninconclusive ",
                    frozen.results[i].result.reason, "\n");
  }
  frozen.digest = Sha256(frozen.text);
  return frozen;
}

struct Answer {
  const World& world;
  const HostId& host;
  OrderReported* report;

  void operator()(const FreezeEvidence& freeze) const {
    report->detail = EvidenceOf(world, host, freeze);
  }
  void operator()(const Propose&) const {
    report->detail = ReleaseAnswered{true, ""};
  }
  void operator()(const RunChecks& run) const {
    report->detail = ChecksDone{Unchecked(run.checks, host)};
  }
  void operator()(const Watch& watch) const {
    report->detail = ChecksDone{Unchecked(watch.checks, host)};
  }
  void operator()(const TryFlows& flows) const {
    FlowsTried tried;
    for (const Flow& flow : flows.flows) {
      tried.tries.push_back(
          {flow, Verdict::kInconclusive, "nobody's program can try it"});
    }
    report->detail = std::move(tried);
  }
  void operator()(const ChangeTrust&) const {
    report->outcome = Outcome::kRefused;
    report->reason = "no agent runs there";
  }
  // A confirmation ends leases, and nothing there has one.
  template <class Other>
  void operator()(const Other&) const {}
};

}  // namespace

void AnswerAtOnce(Turn& turn, const Pending& pending) {
  OrderReported report;
  report.order = pending.order.id;
  report.host = pending.order.host;
  const HostId host = pending.order.host;
  std::visit(Answer{turn.world, host, &report}, pending.order.what);
  ApplyReport(turn, report);
}

}  // namespace sluice::engine
