// Whether people fill a quorum: each takes one seat at most (S10). Written
// anew here, so that a mistake in the product's own counting shows.

#pragma once

#include <algorithm>
#include <map>
#include <set>

#include "common/release_order.h"
#include "orchestrator/planner/plan.h"

namespace sluice::simulation {

inline bool SeatsFilled(std::map<RoleId, int> seats,
                        std::set<OperatorId> people, const Plan& plan) {
  const auto open = std::find_if(seats.begin(), seats.end(),
                                 [](const auto& s) { return s.second > 0; });
  if (open == seats.end()) return true;
  --open->second;
  for (const OperatorId& person : people) {
    const Approver* approver = plan.FindApprover(person);
    if (approver == nullptr) continue;
    if (std::find(approver->roles.begin(), approver->roles.end(),
                  open->first) == approver->roles.end()) {
      continue;
    }
    std::set<OperatorId> others = people;
    others.erase(person);
    if (SeatsFilled(seats, others, plan)) return true;
  }
  return false;
}

inline bool QuorumMet(const ReleaseOrder& order, std::set<OperatorId> said_go,
                      const Plan& plan) {
  if (order.no_self_approval) said_go.erase(order.started_by);
  int seats = 0;
  for (const auto& [role, count] : order.quorum) seats += count;
  return seats > 0 && SeatsFilled(order.quorum, said_go, plan);
}

}  // namespace sluice::simulation
