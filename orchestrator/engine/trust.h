// Whom hosts believe, as far as it goes through here: rotations and delegations
// are handed on with their signatures, and what each host answered is kept. The
// hosts judge them. Of a delegation the gate counts what the hosts will count.

#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/ids.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/engine/state.h"

namespace sluice::engine {

class Turn;

// Whether the hosts could take it at all: a text that can be read, of this
// estate, about hosts and people there are, newer than what went before.
absl::Status CheckTrustChange(const World& world, const TrustChanged& event,
                              absl::Time now);

void ApplyTrust(Turn& turn, const TrustChanged& event);
// To a host that is new here, by its plan or its key: the last rotation that
// names it and the delegations that have not run out. What is on its way to it
// already is not sent twice.
void ShowStanding(Turn& turn, const HostId& id);
// To those of the plan in force that `before` (may be nullptr) had not.
void ShowStandingToNew(Turn& turn, const Plan* before);

void TrustReported(Turn& turn, const Pending& pending,
                   const OrderReported& report);

// For whom `deputy` stands in now at this stage's gate, and in which roles; who
// may not decide there is left out.
std::vector<StandsIn> StandInsOf(const World& world, const OperatorId& deputy,
                                 int stage, absl::Time now);

// Who gave `deputy` the tasks of this role; empty: nobody.
OperatorId TaskDelegator(const World& world, const OperatorId& deputy,
                         const RoleId& owner, absl::Time now);

}  // namespace sluice::engine
