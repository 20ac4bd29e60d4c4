// From healthy to standing: watch, soak, accept, confirm. Owns Soaking and
// Accepting, what is seen after, and the grants that open late.

#pragma once

#include "orchestrator/engine/event.h"
#include "orchestrator/engine/step_state.h"

namespace sluice::engine {

class Turn;
struct Pending;
struct World;

// Healthy on enough hosts: from here on dependents may open.
void StartSoak(Turn& turn, int step);
void AdvanceSoak(Turn& turn, int step);
void WatchReported(Turn& turn, OrderKey key, const Pending& pending,
                   const OrderReported& report);
void ApplyWatchChanged(Turn& turn, const WatchChanged& event);
void ConfirmReported(Turn& turn, OrderKey key, const Pending& pending,
                     const OrderReported& report);
// Soaks that end, confirmations to be asked for again.
void ExpireSteps(Turn& turn);

// Whether a person still has to accept the step, and nobody has.
bool AwaitsAcceptance(const World& world, int step);
// Whether the gate asks people once more, after the soak of some step of this
// round, whether its flows may stand.
bool AsksToConfirm(const World& world, int stage, int round);

// Grants of soft needs, opened once what they reach is well (late.cc).
void AdvanceLate(Turn& turn, int step);
void LateReported(Turn& turn, OrderKey key, const Pending& pending,
                  const OrderReported& report);

}  // namespace sluice::engine
