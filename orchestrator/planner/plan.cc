#include "orchestrator/planner/plan.h"

#include <algorithm>
#include <set>

#include "absl/container/flat_hash_set.h"

namespace sluice {
namespace {

template <class T, class Id>
const T* FindSorted(const std::vector<T>& values, const Id& id) {
  const auto at = std::lower_bound(
      values.begin(), values.end(), id,
      [](const T& value, const Id& wanted) { return value.id < wanted; });
  return at != values.end() && at->id == id ? &*at : nullptr;
}

bool Passes(const HostFlow& flow, const HostId& host) {
  return flow.client == host || flow.server == host ||
         std::binary_search(flow.through.begin(), flow.through.end(), host);
}

}  // namespace

const PlannedHost* Plan::FindHost(const HostId& id) const {
  return FindSorted(hosts, id);
}
const PlannedGrant* Plan::FindGrant(const GrantId& id) const {
  return FindSorted(grants, id);
}
const PlannedStep* Plan::FindStep(const StepId& id) const {
  return FindSorted(steps, id);
}
const PlannedStage* Plan::FindStage(const StageId& id) const {
  const auto at =
      std::find_if(stages.begin(), stages.end(),
                   [&](const PlannedStage& stage) { return stage.id == id; });
  return at != stages.end() ? &*at : nullptr;
}
const Approver* Plan::FindApprover(const OperatorId& id) const {
  return FindSorted(approvers, id);
}

std::map<GrantId, std::vector<Flow>> Plan::FlowsOn(
    const HostId& host, const std::vector<StepId>& wanted) const {
  std::map<GrantId, std::vector<Flow>> result;
  for (const StepId& step_id : wanted) {
    const PlannedStep* step = FindStep(step_id);
    if (step == nullptr) continue;
    for (const GrantId& grant_id : step->grants) {
      if (result.contains(grant_id)) continue;
      std::vector<Flow> flows;
      for (const HostFlow& flow : FindGrant(grant_id)->flows) {
        if (Passes(flow, host)) {
          flows.push_back(flow.flow);
        }
      }
      if (flows.empty()) continue;
      std::sort(flows.begin(), flows.end());
      flows.erase(std::unique(flows.begin(), flows.end()), flows.end());
      result.emplace(grant_id, std::move(flows));
    }
  }
  return result;
}

std::vector<HostId> Plan::HostsOf(const std::vector<StepId>& wanted) const {
  std::set<HostId> result;
  for (const StepId& step_id : wanted) {
    const PlannedStep* step = FindStep(step_id);
    if (step == nullptr) continue;
    result.insert(step->hosts.begin(), step->hosts.end());
    for (const GrantId& grant_id : step->grants) {
      for (const HostFlow& flow : FindGrant(grant_id)->flows) {
        if (!flow.client.empty()) result.insert(flow.client);
        if (!flow.server.empty()) result.insert(flow.server);
        result.insert(flow.through.begin(), flow.through.end());
      }
    }
  }
  return {result.begin(), result.end()};
}

std::vector<StepId> Plan::BlastRadius(const StepId& from) const {
  absl::flat_hash_set<const PlannedStep*> seen;
  std::vector<const PlannedStep*> ahead;
  if (const PlannedStep* step = FindStep(from)) ahead.push_back(step);
  while (!ahead.empty()) {
    const PlannedStep* step = ahead.back();
    ahead.pop_back();
    for (const StepId& id : step->dependents) {
      const PlannedStep* dependent = FindStep(id);
      if (seen.insert(dependent).second) ahead.push_back(dependent);
    }
  }
  std::vector<StepId> result;
  for (const PlannedStep* step : seen) {
    if (step->id != from) result.push_back(step->id);
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace sluice
