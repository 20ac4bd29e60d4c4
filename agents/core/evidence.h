// The text of a host's evidence: what its digest in a release order stands
// for. No time is in it: the same findings give the same digest.

#pragma once

#include <string>
#include <vector>

#include "agents/core/order.h"
#include "agents/core/state.h"

namespace sluice::agent {

//   sluice evidence 1
//   estate city-utility
//   host db-1
//   boot 4a1c…
//   quarantine-number 3
//   round data/1
//   inspect billing-db/inspect-1 listeners allow=declared-only …
//   pass no sign found: 3 listeners, all declared
//
// REQUIRES: one result an inspection, in order.
std::string EvidenceText(const AgentState& state, const std::string& round,
                         const std::vector<NamedCheck>& inspections,
                         const std::vector<NamedResult>& results);

}  // namespace sluice::agent
