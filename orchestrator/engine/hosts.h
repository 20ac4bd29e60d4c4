// Hosts: their links, and what their kernels were seen to hold. Owns the
// comparison of what was ordered with what is.

#pragma once

#include <string>

#include "orchestrator/engine/event.h"

namespace sluice::engine {

class Turn;
struct Host;
struct World;

void ApplyConnected(Turn& turn, const AgentConnected& event);
void ApplyLost(Turn& turn, const AgentLost& event);
void ApplyLeaseLost(Turn& turn, const LeaseLost& event);
void ApplyFenceChanged(Turn& turn, const FenceChanged& event);
void ApplyReign(Turn& turn, const ReignBegan& event);

// Lost agents that have been away long enough count as absent.
void ExpireLinks(Turn& turn);

// Where a reading of a host's kernel comes from.
enum class Seen : uint8_t { kHello, kReport, kIsolationReport, kChanged };

// Takes a reading in, and acts when it shows less, or more, than was ordered:
// a fence that is down, a state rolled back, an isolation nobody here ordered.
void ObserveFence(Turn& turn, const HostId& host, const FenceSeen& fence,
                  Seen seen);

// Never connected, or lost for so long that nothing waits for it any more.
bool IsAway(const World& world, const HostId& host);
// Too few of the step's hosts are there for it to begin.
bool IsUnreachable(const World& world, int step);
// "app-1 is not connected since 10:41 UTC".
std::string AwayText(const World& world, const HostId& host);

}  // namespace sluice::engine
