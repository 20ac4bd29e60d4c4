// S1: a flow is tried from its client, on the flow's own addresses.

#pragma once

#include "absl/time/time.h"
#include "agents/checks/stop.h"
#include "agents/core/message.h"
#include "common/flow.h"

namespace sluice::agent {

// TCP: connects to the first port and closes again. UDP, and a client that is
// not one address of this host, cannot be tried: inconclusive.
FlowTried TryFlow(const Flow& flow, absl::Duration timeout, const Stop& stop);

}  // namespace sluice::agent
