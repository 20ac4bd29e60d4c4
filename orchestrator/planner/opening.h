// What a release order opens where: worked out from the plan alone, so that the
// orchestrator that writes an order and the operator who checks it against
// their own copy of the manifest cannot disagree.

#pragma once

#include <map>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"
#include "common/ids.h"
#include "orchestrator/planner/plan.h"

namespace sluice {

// What opens on `host` when `steps` open with the hosts `part` taking part: a
// host that is left out stays closed at its peers too.
std::map<GrantId, std::vector<Flow>> FlowsAmong(
    const Plan& plan, const std::vector<StepId>& steps,
    const std::set<HostId>& part, const HostId& host);

// The same for every host of `part` on which anything opens, in one go: a stage
// of a thousand steps has a thousand hosts.
using FlowsByGrant = std::map<GrantId, std::vector<Flow>>;
std::map<HostId, FlowsByGrant> FlowsAmongAll(const Plan& plan,
                                             const std::vector<StepId>& steps,
                                             const std::set<HostId>& part);

// One line of an order stands for all its steps on the host: the shortest
// lease closes soonest; the soak is the shortest too, since the engine itself
// waits out each step's own.
struct HostTerms {
  int64_t lease_seconds = 1;
  int64_t soak_seconds = 0;
};
std::map<HostId, HostTerms> TermsOfHosts(const Plan& plan,
                                         const std::vector<StepId>& steps);

}  // namespace sluice
