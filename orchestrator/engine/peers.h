// A host that falls out is closed at its peers as well: its own fence may be
// what is wrong with it (S5: own fence, peers' fence, or both).

#pragma once

#include <string>

#include "common/ids.h"

namespace sluice::engine {

class Turn;
class PlanIndex;

// Every flow between the host and a fenced peer closes at the peer, and none
// opens again under a release order from before. In a run: at the peers to
// which a release order that is in force may have opened one; without one: at
// all of them, since nothing tells what is open where.
void ShutAtPeers(Turn& turn, const PlanIndex& plan, const HostId& host,
                 const std::string& why);

// The same for what belongs to one step: the flows that it and those that need
// it have with the host. What else the host does goes on.
void ShutStepAtPeers(Turn& turn, int step, const HostId& host,
                     const std::string& why);

// The same for one grant, about to open: its clients open it without the host.
void ShutGrantAtPeers(Turn& turn, int grant, const HostId& host,
                      const std::string& why);

}  // namespace sluice::engine
