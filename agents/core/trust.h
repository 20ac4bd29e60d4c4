// Whom this host believes: its own file, what a quorum of the people in it
// changed since by a rotation, and who stands in for whom for now.
//
// Nothing here is believed for who delivers it, and none of it can begin again:
// a rotation's serial and a delegation's `from` only grow.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/core/authority.h"
#include "agents/core/order.h"
#include "agents/core/state.h"

namespace sluice::agent {

// `own` is what agent.yaml says. A rotation with a serial above that file's
// rules in its place, so that root can always take it back there.
Trust TrustNow(const Trust& own, const AgentState& state, absl::Duration now);

// Takes the change into `state`, or says why not and changes nothing. What it
// says when it is taken is one line for the host's own log.
absl::StatusOr<std::string> AdmitTrust(const ChangeTrust& change,
                                       const Trust& own, AgentState& state,
                                       absl::Duration now);

}  // namespace sluice::agent
