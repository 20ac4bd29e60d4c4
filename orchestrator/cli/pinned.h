// What hosts pin in their own agent.yaml, beside what the manifest says: found
// at the desk, not when a host refuses at the gate.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/planner/plan.h"

namespace sluice::cli {

// One sentence for each difference between the agent.yaml at `file` and the
// plan: approvers that one of them does not know, other keys or roles, gates
// that ask for fewer people than the host wants, and units, plugins, rules and
// baselines that the manifest names and the host does not list.
// InvalidArgument when the file is no agent.yaml.
absl::StatusOr<std::vector<std::string>> PinnedDifferences(
    const Plan& plan, const std::string& file);

}  // namespace sluice::cli
