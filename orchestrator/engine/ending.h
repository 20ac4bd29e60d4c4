// How a run ends: by criteria, or with a reason.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/engine/view.h"

namespace sluice::engine {

struct World;

// What a run has to have reached to end without a reason being given; always
// the same ones, in the same order. REQUIRES: there is a run.
std::vector<Criterion> CriteriaOf(const World& world);

// The texts of those that are met, or not, in one sentence part; "" for none.
std::string CriteriaText(const std::vector<Criterion>& criteria, bool met);

}  // namespace sluice::engine
