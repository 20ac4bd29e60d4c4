// Another plan in mid-run: what it does to each step, and doing it.
//
// What is open goes on under the release order that opened it, unless the new
// plan changes it; what has not begun starts over; a gate that asks about a
// stage whose content changed asks anew (S10).

#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/ids.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/engine/failure.h"
#include "orchestrator/engine/plan_index.h"
#include "orchestrator/engine/view.h"
#include "orchestrator/planner/step_change.h"

namespace sluice::engine {

class Turn;
struct World;

// What happens to one step of the run.
struct Fate {
  enum class Kind : uint8_t {
    kKeeps,       // goes on as it is
    kNarrows,     // goes on; flows that it has no longer close
    kStartsOver,  // nothing of it is open; its gate asks under the new plan
    kCloses,      // closes, and its gate asks again
    kHolds,       // stays as it is, and a person is waited for
    kLeaves,      // the new plan has it no longer
  };
  Kind kind = Kind::kKeeps;
  std::string why;
  StepChange change;
};

// By the present plan's numbers.
struct Replanning {
  std::vector<Fate> fates;             // of each step
  std::map<int, Reasoned> closing;     // all that is open and closes
  std::vector<std::string> void_gate;  // of each stage: why; empty: it stands
  std::vector<HostId> leaving;         // all of them
  std::vector<HostId> closing_hosts;   // of those, what may have opened
  std::vector<HostId> joining;
};

// REQUIRES: a run is active. `number`: the new plan's.
Replanning Foresee(const World& world, const PlanIndex& after, int number);

// Puts the plan in force under the active run. REQUIRES: admitted.
void ApplyReplan(Turn& turn, const PlanAdopted& event);

}  // namespace sluice::engine
