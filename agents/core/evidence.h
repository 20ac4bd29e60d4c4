// The text of a host's evidence: what its digest in a release order stands
// for. The boot-time clock of its freezing is in it: findings that are the same
// again are other evidence, so that no release order outlives its validity by
// being proposed anew with votes that were given before (S2, S10).

#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agents/core/order.h"
#include "agents/core/state.h"

namespace sluice::agent {

//   sluice evidence 1
//   estate city-utility
//   host db-1
//   boot 4a1c…
//   quarantine-number 3
//   round data/1
//   frozen-at-ms 5310022
//   inspect billing-db/inspect-1 listeners allow=declared-only …
//   pass no sign found: 3 listeners, all declared
//   inspect billing-db/inspect-2 attempts …
//   fail tried to reach 203.0.113.66 443/tcp (outside, 12 times, by curl, …)
//   seen undeclared, outside: 203.0.113.66 443/tcp, 12 times, from … by curl, …
//
// REQUIRES: one result an inspection, in order.
std::string EvidenceText(const AgentState& state, const std::string& round,
                         absl::Duration frozen_at,
                         const std::vector<NamedCheck>& inspections,
                         const std::vector<NamedResult>& results);

}  // namespace sluice::agent
