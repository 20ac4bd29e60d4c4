// Why a system comes back when it comes back, for `sluice explain`.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/planner/plan.h"
#include "orchestrator/planner/render.h"

namespace sluice {

// What it waits for and why (down to the last step that decides its time), who
// waits for it, which flows it gets and gives, its checks and what its failure
// does. Text fits options.width; every flow is shown when show_flows.
//
// `name` is a system or an entry ("citizens>portal:https"). NotFound, with the
// nearest name, when the plan has neither.
absl::StatusOr<std::string> ExplainText(const Plan& plan,
                                        absl::string_view name,
                                        const RenderOptions& options);

// The same for programs.
absl::StatusOr<std::string> ExplainJson(const Plan& plan,
                                        absl::string_view name);

// What `step` cannot come back without, directly or not: every hard need of
// every hard need. Sorted; itself not among them.
std::vector<StepId> FoundationsOf(const Plan& plan, const StepId& step);

// Those of them that every chain of hard needs down from `step` runs through:
// its dominators in the graph of needs, sorted.
std::vector<StepId> DominatorsOf(const Plan& plan, const StepId& step);

// The chain that decides when `step` comes back, what comes first first, up to
// and with `step`: a need's health, an entry's soak, or an earlier stage.
std::vector<StepId> ChainTo(const Plan& plan, const StepId& step);

}  // namespace sluice
