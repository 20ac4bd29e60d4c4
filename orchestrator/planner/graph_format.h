// The plan as a picture: what waits for what, stage by stage from left to
// right, coloured by category. Arrows go the way the estate comes back: from
// what is needed to what needs it.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/planner/plan.h"

namespace sluice {

struct GraphOptions {
  // Draw every need. Otherwise a need that follows from others is left out
  // (when the portal waits for the engine and the engine for the database, the
  // portal's own need of the database moves nothing), which makes a picture
  // that people can read.
  bool all_needs = false;
};

std::string PlanDot(const Plan& plan, const GraphOptions& options = {});
std::string PlanMermaid(const Plan& plan, const GraphOptions& options = {});
// A drawing of its own, printable in colour and without; no program is needed
// to lay it out. Every text is escaped; nothing in it is fetched or run.
std::string PlanSvg(const Plan& plan, const GraphOptions& options = {});

// What is drawn. Indexes into Plan::steps.
struct GraphEdge {
  int from = 0;  // needed
  int to = 0;    // needs it
  bool soft = false;
  bool soaked = false;
};
std::vector<GraphEdge> GraphEdges(const Plan& plan,
                                  const GraphOptions& options);

// "#d7e8fb" and "#1f5fa8": the fill and the line of a category, the same in
// every picture.
struct CategoryColour {
  const char* fill;
  const char* line;
};
CategoryColour ColourOf(absl::string_view category);

}  // namespace sluice
