// What this host accepts: proposals, openings, confirmations. Pure rules over
// the state; every refusal is a sentence that operators see at the gate.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/core/authority.h"
#include "agents/core/order.h"
#include "agents/core/state.h"

namespace sluice::agent {

inline constexpr size_t kMaxReleases = 64;
inline constexpr size_t kMaxFlows = 200'000;

// S2, S8: whether the body is about this host as it is now: its quarantine
// number, its own evidence of the round, the flows that came along; and whether
// people could release it here at all.
absl::StatusOr<KnownRelease> AdmitProposal(const Propose& proposal,
                                           const AgentState& state,
                                           const Trust& trust,
                                           absl::Duration now);

// Whether the named grants may open now, and under what.
absl::StatusOr<KnownRelease*> AdmitOpening(const OpenFlows& order,
                                           AgentState& state,
                                           const Trust& trust,
                                           absl::Duration now);

// Whether the named grants' leases may become standing now, but for the watch:
// soaked on this host's clock, and decided by people where the order says so.
absl::StatusOr<KnownRelease*> AdmitConfirmation(const Confirm& order,
                                                AgentState& state,
                                                const Trust& trust,
                                                absl::Duration now);

// Drops what can never open again and holds nothing open.
void ForgetLapsed(AgentState& state, absl::Duration now);

// Sorted, each once.
void SortOnce(std::vector<Flow>& flows);

// The flows of `grants`, sorted, once each.
std::vector<Flow> FlowsOf(const KnownRelease& release,
                          const std::vector<GrantId>& grants);
// The flows of the release's grants in `grant_state`, sorted, once each.
std::vector<Flow> FlowsIn(const KnownRelease& release,
                          Grant::State grant_state);
// Every standing flow of the host, sorted, once each.
std::vector<Flow> StandingFlows(const AgentState& state);

}  // namespace sluice::agent
