#include "orchestrator/planner/step_change.h"

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

bool SameTasks(const std::vector<PlannedTask>& before,
               const std::vector<PlannedTask>& after) {
  return std::equal(before.begin(), before.end(), after.begin(), after.end(),
                    [](const PlannedTask& a, const PlannedTask& b) {
                      return a.id == b.id && a.what == b.what &&
                             a.owner == b.owner;
                    });
}

bool SameFlows(const PlannedGrant& before, const PlannedGrant& after) {
  return std::equal(before.flows.begin(), before.flows.end(),
                    after.flows.begin(), after.flows.end(),
                    [](const HostFlow& a, const HostFlow& b) {
                      return a.client == b.client && a.server == b.server &&
                             a.flow == b.flow && a.through == b.through;
                    });
}

// Members in the order of their ids; of no group: none.
std::vector<StepId> GroupOf(const Plan& plan, const PlannedStep& step) {
  std::vector<StepId> members;
  if (step.joint_group < 0) return members;
  for (const PlannedStep& other : plan.steps) {
    if (other.joint_group == step.joint_group) members.push_back(other.id);
  }
  return members;
}

// A hard need more than before, or one that has to wait for longer. With fewer
// it may go on.
bool NeedsMore(const PlannedStep& before, const PlannedStep& after) {
  return std::any_of(
      after.needs.begin(), after.needs.end(), [&](const StepNeed& need) {
        if (need.strength != Strength::kHard) return false;
        return std::none_of(
            before.needs.begin(), before.needs.end(), [&](const StepNeed& had) {
              return had.step == need.step && had.strength == Strength::kHard &&
                     (had.soaked || !need.soaked);
            });
      });
}

bool Has(const std::vector<GrantId>& ids, const GrantId& id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

// Whether a flow came in or changed that it cannot do without; the rest is
// noted in `change`.
bool CompareGrants(const Plan& before, const PlannedStep& old_step,
                   const Plan& after, const PlannedStep& new_step,
                   StepChange* change) {
  bool more = false;
  for (const GrantId& id : old_step.grants) {
    if (!Has(new_step.grants, id)) change->gone.push_back(id);
  }
  for (const GrantId& id : new_step.grants) {
    const PlannedGrant* grant = after.FindGrant(id);
    if (!Has(old_step.grants, id)) {
      if (grant->strength == Strength::kSoft) {
        change->soft.push_back(id);
      } else {
        more = true;
      }
      continue;
    }
    more = more || !SameFlows(*before.FindGrant(id), *grant);
  }
  return more;
}

}  // namespace

bool SameChecks(const std::vector<PlannedCheck>& before,
                const std::vector<PlannedCheck>& after) {
  return std::equal(before.begin(), before.end(), after.begin(), after.end(),
                    [](const PlannedCheck& a, const PlannedCheck& b) {
                      return a.id == b.id && a.spec == b.spec;
                    });
}

StepChange CompareSteps(const Plan& before, const PlannedStep& old_step,
                        const Plan& after, const PlannedStep& new_step) {
  StepChange change;
  const auto note = [&change](bool differs, const char* what) {
    if (differs) change.what.emplace_back(what);
    return differs;
  };
  const bool hosts = note(old_step.hosts != new_step.hosts, "its hosts");
  const bool needs = note(NeedsMore(old_step, new_step), "its needs");
  bool flows = CompareGrants(before, old_step, after, new_step, &change);
  note(flows || !change.gone.empty() || !change.soft.empty(), "its flows");
  const bool lease = note(old_step.lease != new_step.lease, "its lease");
  const bool group = note(GroupOf(before, old_step) != GroupOf(after, new_step),
                          "what comes back together with it");
  change.release = hosts || needs || flows || lease || group;

  const bool inspections =
      note(!SameChecks(old_step.inspect, new_step.inspect), "its inspections");
  const bool health =
      note(!SameChecks(old_step.health, new_step.health), "its health checks");
  const bool tasks =
      note(!SameTasks(old_step.inspect_tasks, new_step.inspect_tasks) ||
               !SameTasks(old_step.accept_tasks, new_step.accept_tasks),
           "its tasks");
  const bool units = note(old_step.start_unit != new_step.start_unit ||
                              old_step.stop_unit != new_step.stop_unit,
                          "its units");
  const bool soak = note(old_step.soak != new_step.soak, "its soak");
  change.checks = inspections || health || tasks || units || soak;
  change.watch = note(!SameChecks(old_step.watch, new_step.watch) ||
                          old_step.watch_every != new_step.watch_every,
                      "what is watched");
  return change;
}

}  // namespace sluice
