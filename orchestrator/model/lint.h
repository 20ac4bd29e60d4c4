// What is not wrong in a model, but doubtful: one sentence each, with what to
// do. Pure; the manifest room adds these to its own errors.

#pragma once

#include <vector>

#include "orchestrator/model/diagnostic.h"
#include "orchestrator/model/model.h"

namespace sluice {

// Warnings, in no order. REQUIRES: a model without errors.
std::vector<Diagnostic> Lint(const Model& model);

// Whether the approvers, each counting once and for one role, can give the
// gate its quorum when `without` has no vote (empty: everybody has).
bool QuorumCanBeMet(const Model& model, const GateRule& gate,
                    const OperatorId& without);

}  // namespace sluice
