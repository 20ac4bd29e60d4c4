// A gate as people see it.

#pragma once

#include <optional>

#include "absl/time/time.h"
#include "orchestrator/engine/view.h"

namespace sluice::engine {

struct Host;
struct World;

// None: its sensor was never begun anew, as far as anybody said.
std::optional<SensorAnewView> SensorAnewOf(const Host& host);

// REQUIRES: a plan is in force and has this stage.
GateView MakeGateView(const World& world, int stage, absl::Time now);

}  // namespace sluice::engine
