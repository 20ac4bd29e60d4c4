// From go to healthy: inspect again, open servers then clients, try, start,
// check. Owns Ready, Connecting and Probing.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "orchestrator/engine/event.h"
#include "orchestrator/engine/gate_state.h"
#include "orchestrator/engine/step_state.h"

namespace sluice::engine {

class Turn;
struct Pending;

// Lets a step go on as far as it can.
void AdvanceStep(Turn& turn, int step);

void ConnectReported(Turn& turn, OrderKey key, const Pending& pending,
                     const OrderReported& report);
void HealthReported(Turn& turn, OrderKey key, const Pending& pending,
                    const OrderReported& report);

// Back to connecting under the same release order, inspections first.
void ReopenStep(Turn& turn, int step, const std::string& why);

// ── shared with the late grants of soft needs (late.cc) ─────────────────────

// Whether a server (or an external, without a host) is open for the step.
bool ServerOpened(Turn& turn, int step, int grant, const HostId& server);
// Which hard grant of the step has too few servers that open for it, and
// where; empty: each has enough.
std::string ShutServersText(Turn& turn, int step);
std::map<HostId, std::vector<GrantId>> ServersOf(
    Turn& turn, int step, const std::vector<int>& grants);
std::map<HostId, std::vector<GrantId>> ClientsOf(
    Turn& turn, int step, const std::vector<int>& grants);
// The flows that a client can try, and in `notes` what it cannot.
std::vector<Flow> TryableFlows(Turn& turn, int step, const HostId& client,
                               const std::vector<int>& grants,
                               std::vector<std::string>* notes);
// What of a grant did not work from a client, by what it tried; empty: enough
// of its servers answered.
std::string TriedInVain(Turn& turn, int step, const HostId& client, int grant,
                        const std::vector<FlowsTried::Try>& tries,
                        std::vector<std::string>* notes);
// Of the servers that the release order names, those that their system goes on
// without are closed at the grants' clients, before these open.
void ShutMissingServers(Turn& turn, int step, const std::vector<int>& grants);
void AddNote(Step* step, const std::string& note);

}  // namespace sluice::engine
