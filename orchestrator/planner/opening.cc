#include "orchestrator/planner/opening.h"

#include <algorithm>

namespace sluice {

std::map<GrantId, std::vector<Flow>> FlowsAmong(
    const Plan& plan, const std::vector<StepId>& steps,
    const std::set<HostId>& part, const HostId& host) {
  const auto in = [&](const HostId& end) {
    return end.empty() || part.contains(end);
  };
  std::map<GrantId, std::vector<Flow>> opening = plan.FlowsOn(host, steps);
  for (auto& [id, flows] : opening) {
    const PlannedGrant* grant = plan.FindGrant(id);
    if (grant == nullptr) continue;
    std::set<Flow> allowed;
    for (const HostFlow& flow : grant->flows) {
      if (in(flow.client) && in(flow.server)) allowed.insert(flow.flow);
    }
    flows.erase(std::remove_if(
                    flows.begin(), flows.end(),
                    [&](const Flow& flow) { return !allowed.contains(flow); }),
                flows.end());
  }
  return opening;
}

std::map<HostId, FlowsByGrant> FlowsAmongAll(const Plan& plan,
                                             const std::vector<StepId>& steps,
                                             const std::set<HostId>& part) {
  std::map<HostId, FlowsByGrant> all;
  const auto in = [&](const HostId& end) {
    return end.empty() || part.contains(end);
  };
  for (const StepId& id : steps) {
    const PlannedStep* step = plan.FindStep(id);
    if (step == nullptr) continue;
    for (const GrantId& grant_id : step->grants) {
      const PlannedGrant& grant = *plan.FindGrant(grant_id);
      std::set<Flow> allowed;
      for (const HostFlow& flow : grant.flows) {
        if (in(flow.client) && in(flow.server)) allowed.insert(flow.flow);
      }
      for (const HostFlow& flow : grant.flows) {
        std::set<HostId> on(flow.through.begin(), flow.through.end());
        on.insert(flow.client);
        on.insert(flow.server);
        for (const HostId& host : on) {
          if (host.empty() || !part.contains(host)) continue;
          std::vector<Flow>& flows = all[host][grant_id];
          if (allowed.contains(flow.flow)) flows.push_back(flow.flow);
        }
      }
    }
  }
  for (auto& [host, grants] : all) {
    for (auto& [id, flows] : grants) {
      std::sort(flows.begin(), flows.end());
      flows.erase(std::unique(flows.begin(), flows.end()), flows.end());
    }
  }
  return all;
}

std::map<HostId, HostTerms> TermsOfHosts(const Plan& plan,
                                         const std::vector<StepId>& steps) {
  std::map<HostId, HostTerms> terms;
  for (const StepId& id : steps) {
    const PlannedStep* step = plan.FindStep(id);
    if (step == nullptr) continue;
    const HostTerms own = {
        std::max<int64_t>(1, absl::ToInt64Seconds(step->lease)),
        std::max<int64_t>(0, absl::ToInt64Seconds(step->soak))};
    for (const HostId& host : plan.HostsOf({id})) {
      const auto [at, added] = terms.emplace(host, own);
      if (added) continue;
      at->second.lease_seconds =
          std::min(at->second.lease_seconds, own.lease_seconds);
      at->second.soak_seconds =
          std::min(at->second.soak_seconds, own.soak_seconds);
    }
  }
  return terms;
}

}  // namespace sluice
