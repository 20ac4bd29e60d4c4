#include <algorithm>
#include <memory>
#include <utility>

#include "common/status.h"
#include "orchestrator/planner/draft.h"
#include "orchestrator/planner/plan.h"
#include "orchestrator/planner/timeline.h"

namespace sluice {
namespace {

using planning::Draft;
using planning::DraftNeed;
using planning::DraftStep;
using planning::TimelineStep;

// What a step is, from the system alone; needs, grants and checks come after.
PlannedStep Describe(const Draft& draft, const DraftStep& step) {
  const System& system = *step.system;
  PlannedStep planned;
  planned.id = step.id;
  planned.system = system.id;
  planned.title = system.title.empty() ? system.id.str() : system.title;
  planned.category = system.category;
  planned.priority = system.priority;
  planned.stage = draft.stages[step.stage].id;
  planned.hosts = system.hosts;
  std::sort(planned.hosts.begin(), planned.hosts.end());
  planned.hosts.erase(std::unique(planned.hosts.begin(), planned.hosts.end()),
                      planned.hosts.end());
  const int all = static_cast<int>(planned.hosts.size());
  planned.enough =
      system.enough <= 0 ? all : std::clamp(system.enough, 1, std::max(all, 1));
  planned.soak = system.soak;
  planned.lease = system.lease;
  planned.watch_every = system.watch_every;
  planned.on_failure = system.on_failure;
  planned.is_protected = system.is_protected;
  planned.joint_group = step.joint;
  if (step.external != nullptr) {
    planned.external = step.external->id;
    planned.title = step.external->id.str() + " into " + planned.title;
    planned.category = "outside";
    return planned;
  }
  planned.start_unit = system.start_unit;
  planned.stop_unit = system.stop_unit;
  planned.expected = system.expected;
  planned.wanted_by = system.wanted_by;
  return planned;
}

absl::Status AddSteps(const Draft& draft,
                      const std::vector<PlannedGrant>& grants, Plan& plan) {
  const planning::CheckResolver checks(draft, grants);
  plan.steps.reserve(draft.steps.size());
  for (const DraftStep& step : draft.steps) {
    plan.steps.push_back(Describe(draft, step));
    PlannedStep& planned = plan.steps.back();
    for (const DraftNeed& need : step.needs) {
      planned.needs.push_back(
          {draft.steps[need.step].id, need.strength, need.soaked});
    }
    SLUICE_RETURN_IF_ERROR(checks.Resolve(step, planned));
  }
  // Steps are visited in the order of their ids, so dependents come sorted.
  for (size_t i = 0; i < draft.steps.size(); ++i) {
    std::vector<int> needed = draft.steps[i].inside;
    for (const DraftNeed& need : draft.steps[i].needs) {
      if (need.strength == Strength::kHard) needed.push_back(need.step);
    }
    std::sort(needed.begin(), needed.end());
    needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
    for (const int n : needed) {
      plan.steps[n].dependents.push_back(plan.steps[i].id);
    }
  }
  return absl::OkStatus();
}

void AddCriticalPath(const Draft& draft, Plan& plan) {
  std::vector<TimelineStep> steps(draft.steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i].stage = draft.steps[i].stage;
    steps[i].soak = plan.steps[i].soak;
    steps[i].left = plan.steps[i].soak + plan.steps[i].expected;
    for (const DraftNeed& need : draft.steps[i].needs) {
      if (need.strength == Strength::kSoft) continue;
      steps[i].needs.push_back({need.step, need.soaked});
    }
  }
  const planning::Timeline timeline =
      planning::MakeTimeline(steps, draft.order);
  plan.critical_duration = timeline.total;
  for (const int i : timeline.path) {
    plan.critical_path.push_back(plan.steps[i].id);
  }
}

// Places are where something was written; a plan does not depend on it.
void AddPeople(const Model& model, Plan& plan) {
  plan.management = model.management;
  std::sort(plan.management.operators.begin(), plan.management.operators.end());
  plan.approvers = model.approvers;
  for (Approver& approver : plan.approvers) {
    approver.place = Place();
    std::sort(approver.deputy_for.begin(), approver.deputy_for.end());
    std::sort(approver.roles.begin(), approver.roles.end());
    approver.roles.erase(
        std::unique(approver.roles.begin(), approver.roles.end()),
        approver.roles.end());
  }
  std::sort(plan.approvers.begin(), plan.approvers.end(),
            [](const Approver& a, const Approver& b) { return a.id < b.id; });
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Plan>> MakePlan(const Model& model) {
  SLUICE_ASSIGN_OR_RETURN(Draft draft, planning::DraftSteps(model));
  SLUICE_RETURN_IF_ERROR(planning::AssignStages(draft));
  SLUICE_RETURN_IF_ERROR(planning::OrderSteps(draft));

  auto plan = std::make_shared<Plan>();
  plan->estate = model.estate;
  plan->title = model.title;
  plan->wanted_by = model.wanted_by;
  AddPeople(model, *plan);
  SLUICE_ASSIGN_OR_RETURN(plan->hosts, planning::ResolveHosts(draft));
  SLUICE_ASSIGN_OR_RETURN(planning::Grants grants,
                          planning::ResolveGrants(draft));
  SLUICE_RETURN_IF_ERROR(AddSteps(draft, grants.grants, *plan));
  plan->grants = std::move(grants.grants);
  for (size_t i = 0; i < plan->steps.size(); ++i) {
    plan->steps[i].grants = std::move(grants.opened_by[i]);
  }
  for (const Draft::Stage& stage : draft.stages) {
    plan->stages.push_back({stage.id, {}, stage.gate, ""});
  }
  plan->order.reserve(draft.order.size());
  for (const int i : draft.order) {
    plan->order.push_back(plan->steps[i].id);
    plan->stages[draft.steps[i].stage].steps.push_back(plan->steps[i].id);
  }
  AddCriticalPath(draft, *plan);
  planning::SealPlan(*plan);
  return std::shared_ptr<const Plan>(std::move(plan));
}

}  // namespace sluice
