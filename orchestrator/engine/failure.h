// What happens when something is wrong with a step or a host of it: the
// manifest's policy, carried out. Owns the way from any phase to Isolating.

#pragma once

#include <map>
#include <string>

#include "common/ids.h"
#include "orchestrator/engine/step_state.h"

namespace sluice::engine {

class Turn;

// Stops a step by its policy: isolates it, it and its blast radius, or holds
// it. Stop::kNone sends it back to its gate instead of waiting for a retry.
// Dependents that are connecting are withdrawn whatever the policy (S1).
void FailStep(Turn& turn, int step, Stop stop, const std::string& why);

// Stops a step and leaves its flows as they are, for a person to decide.
void HoldStep(Turn& turn, int step, Stop stop, const std::string& why);

enum class Out : uint8_t { kAbsent, kInconclusive, kFailed, kIsolated };

// A host takes no further part in a step: with enough others the step goes on
// without it and says so (S9), otherwise it fails, holds or waits.
void TakeHostOut(Turn& turn, int step, const HostId& host, Out out,
                 const std::string& why);

// An inspection or a watched check of `step` failed on the host: that is about
// the host, which is isolated with all it carries, unless the policy holds.
void FailHost(Turn& turn, const HostId& host, int step, const std::string& why);

// Withdraws all that these steps opened or that reaches them, by reason.
struct Reasoned {
  Stop stop = Stop::kNone;
  std::string why;
};
void IsolateSteps(Turn& turn, const std::map<int, Reasoned>& steps);

// Forgets the step's outstanding orders but withdrawals.
void ForgetStepOrders(Turn& turn, int step);

// An order for the step will not be answered any more.
void StopWaitingFor(Turn& turn, int step, OrderKey key);

}  // namespace sluice::engine
