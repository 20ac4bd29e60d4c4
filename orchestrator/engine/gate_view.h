// A gate as people see it.

#pragma once

#include "absl/time/time.h"
#include "orchestrator/engine/view.h"

namespace sluice::engine {

struct World;

// REQUIRES: a plan is in force and has this stage.
GateView MakeGateView(const World& world, int stage, absl::Time now);

}  // namespace sluice::engine
