// Isolating: at any moment, before, in and after a run, ahead of all else (S5).

#pragma once

#include <string>
#include <vector>

#include "orchestrator/engine/event.h"
#include "orchestrator/engine/step_state.h"

namespace sluice::engine {

class Turn;
struct World;

// What a person ordered. REQUIRES: admitted.
void ApplyIsolation(Turn& turn, const IsolationOrdered& event);

// Puts hosts in quarantine: every release that names them is void, every step
// on them goes on without them or stops (`stop`: kFailed or kIsolated). Their
// sensors go on, unless a person's act (`sensor_anew`) begins them anew.
void IsolateHosts(Turn& turn, const std::vector<HostId>& hosts, Stop stop,
                  const std::string& why, const std::string& sensor_anew = "");

// Adds the host's isolation, if one is on its way, to what the step waits for.
void AwaitIsolation(Turn& turn, const HostId& host, int step,
                    OrderSet* waiting);

// A host that something else has put in quarantine: what was released on it is
// void, and its steps go on without it or fail.
void VoidHost(Turn& turn, const HostId& host, const std::string& why);

// Reports of isolations and withdrawals, and what to do when none comes.
void IsolationReported(Turn& turn, OrderKey key, const OrderReported& report);
void WithdrawalReported(Turn& turn, OrderKey key, const OrderReported& report);
void ClosingOverdue(Turn& turn, OrderKey key);

// What stops, and for whom, when this is isolated: one sentence.
std::string BlastText(const World& world, const IsolationOrdered& event);
// The protected systems it would isolate, by name.
std::vector<std::string> ProtectedIn(const World& world,
                                     const IsolationOrdered& event);

}  // namespace sluice::engine
