// Why: for whatever is not back, what it waits for and for whom (L2).

#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/engine/view.h"

namespace sluice::engine {

struct World;

// At least one for each step of a run that is not reconnected; each text
// continues "the system …". REQUIRES: there is a run.
std::vector<Wait> WaitsOf(const World& world, int step, absl::Time now);

// What a gate waits for, each thing once; none when its steps are all back.
// REQUIRES: there is a run.
std::vector<Wait> GateWaitsOf(const World& world, int stage, absl::Time now);

// Where a gate is and what it waits for, in one sentence part.
std::string GateStateText(const World& world, int stage, absl::Time now);

// Whether the run waits for people, and for what; empty: it does not.
std::string HeldText(const World& world);

}  // namespace sluice::engine
