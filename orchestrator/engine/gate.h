// Gates: forming a round of the steps that can go now, gathering evidence,
// proposing the release order, asking, and what ends the asking.

#pragma once

#include <string>

#include "orchestrator/engine/event.h"
#include "orchestrator/engine/gate_state.h"
#include "orchestrator/engine/step_state.h"

namespace sluice::engine {

class Turn;
struct Pending;
struct World;

// Lets a gate go on as far as it can.
void AdvanceGate(Turn& turn, int stage);

void EvidenceReported(Turn& turn, OrderKey key, const Pending& pending,
                      const OrderReported& report);
void ProposalReported(Turn& turn, OrderKey key, const Pending& pending,
                      const OrderReported& report);

// A step leaves its round; what people were asked about has changed then.
void LeaveRound(Turn& turn, int step);
// The round that forms or asks is void (S10); the gate asks anew, if anything
// is left to ask about.
void VoidForming(Turn& turn, int stage, const std::string& why);

// At once, where the round must be gone before anything else happens.
void DropForming(Turn& turn, int stage, const std::string& why);

// Deadlines of gates, and the age past which evidence is worth nothing.
void ExpireGates(Turn& turn);

// Whether the step could join a round now, its joint group aside.
bool CanJoinRound(const World& world, int step);
bool TasksDone(const World& world, int step);

// What of a round opens on a host or is checked there.
bool IsInRound(const Round& round, const HostId& host);

// ── decisions (votes.cc) ────────────────────────────────────────────────────

// REQUIRES: admitted.
void ApplyDecision(Turn& turn, const DecisionMade& decision);

// What the quorum still lacks, each person filling one role so that as much
// of it as possible is met (S10).
std::map<RoleId, int> MissingVotes(const std::map<RoleId, int>& quorum,
                                   const std::vector<Vote>& votes);
// "incident-commander 1, system-owner 1".
std::string QuorumText(const std::map<RoleId, int>& quorum);

const char* RoundStateName(Round::State state);

}  // namespace sluice::engine
