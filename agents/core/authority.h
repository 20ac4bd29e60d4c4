// S2, S10: whether people released a release order. The one place where that
// is judged on a host.

#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agents/core/order.h"
#include "common/release_order.h"

namespace sluice::agent {

// OK when the go decisions over exactly this body meet its quorum: one person
// fills one role, and nobody approves what they started where the gate forbids
// it. Decisions over another body count for nothing.
//
// Who an operator is rests on the orchestrator's word here; the signatures
// that decisions carry are not judged yet.
absl::Status CheckDecisions(const ReleaseOrder& order,
                            const std::vector<Decision>& decisions);

}  // namespace sluice::agent
