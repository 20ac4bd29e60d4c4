// What both fences refuse before anything is changed, and the words they
// refuse it with.

#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

absl::Status CheckLease(const std::string& digest, absl::Duration lease);
absl::Status CheckFlows(const std::vector<Flow>& flows);
absl::Status CheckRelease(const Release& release);
absl::Status CheckRules(const FenceRules& rules);

// FailedPrecondition: the host is open, so `act` ("opening flows") has nothing
// to act on.
absl::Status NoFence(absl::string_view act);
// FailedPrecondition: these releases' guards have run out (or were never here).
absl::Status GuardsRanOut(const std::vector<std::string>& digests);
// NotFound: `flow` is neither leased under `digest` nor standing.
absl::Status NotLeased(const std::string& digest, const Flow& flow);

}  // namespace sluice::agent
