// A run by another plan's numbers: steps, grants and gates are known by their
// places in the plan, and those change with it.

#pragma once

#include <memory>

#include "orchestrator/engine/plan_index.h"

namespace sluice::engine {

class Turn;

// Carries over what both plans have, by name; what the new one has no longer
// is forgotten, its gates excepted: rounds were released there. Everything
// looks again afterwards. REQUIRES: there is a run, and no round forms at a
// gate that the new plan has not.
void Renumber(Turn& turn, std::shared_ptr<const PlanIndex> after);

}  // namespace sluice::engine
