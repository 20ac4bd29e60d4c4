// Estates drawn at random, as manifests: systems on one or several hosts,
// needs, joint groups, externals, stages, gates, policies.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/journal/codec.h"
#include "orchestrator/planner/plan.h"
#include "tests/simulation/random.h"

namespace sluice::simulation {

// A manifest without mistakes, of 2 to `most_systems` systems. `hands` draws
// whether people work some of its points, and changes nothing else.
std::string DrawManifest(Random& random, Random& hands, int most_systems);

// The plan of a manifest's texts; remembers the last few, since every start of
// an orchestrator asks again.
absl::StatusOr<std::shared_ptr<const Plan>> LoadPlan(
    const std::vector<journal::SourceFile>& files);

}  // namespace sluice::simulation
