#include "tests/crash/person.h"

#include <algorithm>
#include <set>
#include <variant>

#include "absl/strings/match.h"
#include "common/decision_text.h"
#include "tests/scenarios/fake_agent.h"

namespace sluice::crash {
namespace {

using engine::Event;

const OperatorId kOnDuty("operator-on-duty");
// A step that is back but not whole is retried this often: each time may bring
// back a further part of it.
constexpr int kMostForWhole = 3;

bool IsBack(const engine::StepView& step) {
  return step.state == "reconnected" && step.waits.empty();
}

bool HasRole(const Approver& approver, const RoleId& role) {
  return std::find(approver.roles.begin(), approver.roles.end(), role) !=
         approver.roles.end();
}

}  // namespace

std::vector<Event> Person::Wants(const runtime::Glimpse& glimpse) {
  const engine::View view = glimpse.engine.MakeView(glimpse.now);
  std::vector<Event> wants;
  if (!isolated_) {
    engine::IsolationOrdered isolate;
    isolate.by = kOnDuty;
    isolate.reason = "an attack";
    isolate.confirmation = plan_.estate.str();
    wants.push_back(isolate);
    return wants;
  }
  if (view.run.state == "ended") {
    finished_ = true;
    return wants;
  }
  WorkByHand(glimpse, view, &wants);
  if (view.run.state == "none") {
    const bool all =
        std::all_of(view.hosts.begin(), view.hosts.end(), [](const auto& host) {
          return host.fence == "quarantined" || host.link == "manual";
        });
    if (all && plan_.steps.empty()) finished_ = true;
    if (all && !finished_) {
      wants.push_back(engine::RunStarted{RunId(glimpse.next_run), kOnDuty});
    }
    return wants;
  }
  if (drill_ && !drilled_ && Drill(view, &wants)) return wants;
  Decide(glimpse, view, &wants);
  Sign(view, &wants);
  Mend(view, &wants);
  return wants;
}

void Person::Done(const Event& event) {
  const auto* isolation = std::get_if<engine::IsolationOrdered>(&event);
  if (isolation == nullptr) return;
  using Scope = engine::IsolationOrdered::Scope;
  (isolation->scope == Scope::kAll ? isolated_ : drilled_) = true;
}

void Person::Decide(const runtime::Glimpse& glimpse, const engine::View& view,
                    std::vector<Event>* wants) const {
  for (const engine::GateView& gate : view.gates) {
    bool confirms = false;
    for (const engine::StepView& step : view.steps) {
      for (const engine::Wait& wait : step.waits) {
        confirms =
            confirms || (wait.kind == "gate" && wait.on == gate.id.str() &&
                         absl::StrContains(wait.text, "be confirmed"));
      }
    }
    if (gate.state != "asking" && !confirms) continue;
    const auto detail = glimpse.engine.MakeGateDetail(gate.id, glimpse.now);
    if (!detail.ok()) continue;
    for (const Approver& approver : plan_.approvers) {
      engine::DecisionMade decision;
      decision.gate = gate.id;
      decision.round = gate.round;
      decision.by = approver.id;
      decision.roles = approver.roles;
      decision.go = true;
      decision.body_digest = gate.body_digest;
      decision.signature = testing::ToyDecision(
          approver.id, detail->gate.confirming
                           ? ConfirmText(detail->gate.body_digest)
                           : detail->body);
      wants->push_back(decision);
    }
  }
}

void Person::Sign(const engine::View& view, std::vector<Event>* wants) const {
  for (const engine::TaskView& task : view.tasks) {
    if (!task.wanted_now) continue;
    for (const Approver& approver : plan_.approvers) {
      if (!task.owner.empty() && !HasRole(approver, task.owner)) continue;
      engine::TaskSigned signature;
      signature.task = task.id;
      signature.by = approver.id;
      signature.roles = approver.roles;
      wants->push_back(signature);
      break;
    }
  }
}

// Does what a point that nobody's program drives needs, and looks at what is on
// it, as far as nobody's program can.
void Person::WorkByHand(const runtime::Glimpse& glimpse,
                        const engine::View& view,
                        std::vector<Event>* wants) const {
  const auto somebody = [&](const RoleId& owner) -> const Approver* {
    for (const Approver& approver : plan_.approvers) {
      if (owner.empty() || HasRole(approver, owner)) return &approver;
    }
    return nullptr;
  };
  for (const engine::PointTaskView& task : view.point_tasks) {
    const Approver* who = somebody(task.owner);
    if (who == nullptr) continue;
    engine::PointReported word;
    word.host = task.host;
    word.task = task.id;
    word.order = task.order;
    word.by = who->id;
    word.roles = who->roles;
    word.done = true;
    word.saw = "the lamp";
    wants->push_back(word);
  }
  for (const engine::StepView& step : view.steps) {
    if (!absl::StrContains(step.reason, "nobody's program looks at")) continue;
    for (const Approver& approver : plan_.approvers) {
      engine::WaiverGiven waiver;
      waiver.step = step.id;
      waiver.by = approver.id;
      waiver.roles = approver.roles;
      waiver.reason = "looked at it";
      waiver.until = glimpse.now + absl::Hours(100);
      wants->push_back(waiver);
    }
  }
}

void Person::Mend(const engine::View& view, std::vector<Event>* wants) {
  bool all = true;
  for (const engine::StepView& step : view.steps) {
    all = all && IsBack(step);
    for (const engine::Wait& wait : step.waits) {
      if (wait.kind != "person") continue;
      wants->push_back(engine::RetryAsked{{}, kOnDuty});
      return;
    }
  }
  if (!all) return;
  bool all_whole = true;
  for (const engine::StepView& step : view.steps) {
    const bool whole = !step.partial && step.notes.empty();
    all_whole = all_whole && whole;
    if (whole || retried_[step.id] >= kMostForWhole) continue;
    ++retried_[step.id];
    wants->push_back(engine::RetryAsked{{step.id}, kOnDuty});
    return;
  }
  // What is not whole after that stays so, and ending with it needs a reason.
  wants->push_back(engine::RunEnded{kOnDuty, all_whole ? "" : "as it is"});
}

bool Person::Drill(const engine::View& view, std::vector<Event>* wants) {
  std::map<StepId, int> needed;
  for (const PlannedStep& step : plan_.steps) {
    for (const StepNeed& need : step.needs) ++needed[need.step];
  }
  const PlannedStep* most = nullptr;
  size_t back = 0;
  for (const engine::StepView& step : view.steps) {
    const PlannedStep* planned = plan_.FindStep(step.id);
    // It was done, and nobody heard the answer.
    if (absl::StrContains(step.reason, "a drill")) drilled_ = true;
    if (!IsBack(step)) continue;
    ++back;
    if (planned == nullptr || !planned->external.empty()) continue;
    if (most == nullptr || needed[step.id] > needed[most->id]) most = planned;
  }
  if (drilled_ || most == nullptr || 2 * back < view.steps.size()) return false;
  engine::IsolationOrdered isolate;
  isolate.scope = engine::IsolationOrdered::Scope::kSystem;
  isolate.system = most->system;
  isolate.by = kOnDuty;
  isolate.reason = "a drill";
  isolate.confirmation = most->system.str();
  wants->push_back(isolate);
  return true;
}

}  // namespace sluice::crash
