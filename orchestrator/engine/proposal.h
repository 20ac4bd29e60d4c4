// The release order of a round: its text, and what the hosts say to it before
// people are asked.

#pragma once

#include <map>
#include <set>
#include <vector>

#include "common/flow.h"
#include "common/ids.h"
#include "orchestrator/planner/opening.h"
#include "orchestrator/planner/plan.h"

namespace sluice::engine {

class Turn;

// Builds the body of the gate's forming round and puts it to every host.
void ProposeRound(Turn& turn, int stage);

}  // namespace sluice::engine
