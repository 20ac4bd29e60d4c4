// The two ends of flows, and what stands between them. Private to this room.

#pragma once

#include <vector>

#include "orchestrator/model/model.h"
#include "orchestrator/planner/plan.h"

namespace sluice::planning {

// A host, or an external (then `host` is empty). Points into the model.
struct End {
  HostId host;
  const std::vector<Prefix>* addresses = nullptr;
  const std::vector<HostId>* behind = nullptr;
};

End EndOf(const Host& host);
End EndOf(const External& external);

// Adds the flows from every address of `client` to every address of `server`
// of the same family, with the barriers between. False when they have no
// family in common.
bool AddFlows(const End& client, const End& server,
              const std::vector<Port::Range>& ranges,
              std::vector<HostFlow>& flows);

}  // namespace sluice::planning
