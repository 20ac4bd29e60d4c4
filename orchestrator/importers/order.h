// What comes before what, while a manifest is being made.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/importers/draft.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/model/model.h"

namespace sluice::importers {

// `from` hard-needs `to`. Without a known port no flow can say so, and only
// stages keep the order.
struct OrderEdge {
  std::string from;
  std::string to;
  bool has_flow = false;
  Place place;
};

// The shortest circle, as the edges on it; empty when there is none.
std::vector<OrderEdge> FindCircle(const std::vector<std::string>& systems,
                                  const std::vector<OrderEdge>& edges);

// The sentence about a circle, to be reported at the place of its first edge.
std::string CircleText(const std::vector<OrderEdge>& circle,
                       const ManifestSources& sources);

// Systems by stages, as few as keep the order of the edges without a flow: in
// `stem` when one is enough, else stem-1, stem-2 … REQUIRES: no circle.
std::vector<StageDraft> MakeStages(const std::vector<std::string>& systems,
                                   const std::vector<OrderEdge>& edges,
                                   const std::string& stem);

}  // namespace sluice::importers
