// What people do to a run besides deciding and isolating.

#pragma once

#include "orchestrator/engine/event.h"

namespace sluice::engine {

class Turn;

void ApplyPlan(Turn& turn, const PlanAdopted& event);

// REQUIRES for the rest: admitted.
void ApplyStart(Turn& turn, const RunStarted& event);
void ApplyTask(Turn& turn, const TaskSigned& event);
void ApplyRetry(Turn& turn, const RetryAsked& event);
void ApplyPause(Turn& turn, const RunPaused& event);
void ApplyResume(Turn& turn, const RunResumed& event);
void ApplyEnd(Turn& turn, const RunEnded& event);
void ApplyIdentity(Turn& turn, const IdentityChanged& event);

// Tries a step again that failed or was held: under its release order if that
// still opens all of it, otherwise its gate asks again.
void RetryStep(Turn& turn, int step);

}  // namespace sluice::engine
