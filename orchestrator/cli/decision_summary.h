// What a person reads before they sign: what opens, and first of all what
// speaks against it.

#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "orchestrator/planner/plan.h"
#include "orchestrator/report/layout.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

// `changed`: StageChanges(), or empty to leave it out.
// REQUIRES: `detail` made printable.
std::string DecisionSummary(const v1::GateDetail& detail,
                            const std::string& changed, int width,
                            const Paint& paint);

// What a stage is now that it was not under the plan before, in one sentence.
std::string StageChanges(const Plan& before, const Plan& after,
                         const StageId& stage);

// The waived checks among `waived` (Gate.waived) name this one.
bool IsWaived(const v1::Gate& gate, absl::string_view check);

}  // namespace sluice::cli
