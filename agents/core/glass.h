// Break-glass: what root may open on this host without any orchestrator, by a
// text that the key pinned in the host's own file has signed
// (common/break_glass.h). The one place where that is judged.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/core/event.h"
#include "agents/core/state.h"
#include "common/break_glass.h"
#include "common/signature.h"

namespace sluice::agent {

// The text, when it is about this host as it is now (its quarantine number, its
// boot, its clock) and `key` signed exactly it. `key` is empty when the host
// pins none; then, and without a verifier, nothing opens. The refusal is a
// sentence for whoever stands at the host.
absl::StatusOr<BreakGlass> AdmitGlass(const ReleasedLocally& asked,
                                      const std::string& key,
                                      const SignatureVerifier* verifier,
                                      const AgentState& state,
                                      absl::Duration now);

}  // namespace sluice::agent
