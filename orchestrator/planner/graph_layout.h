// Where boxes and lines of a picture go. Private to this room.
//
// Columns from left to right: a stage is one or more of them, a step stands
// one column right of the last that it needs in its stage. A line over several
// columns passes between boxes through a way point in each.

#pragma once

#include <vector>

#include "orchestrator/planner/graph_format.h"
#include "orchestrator/planner/plan.h"

namespace sluice::planning {

struct GraphLayout {
  struct Box {
    int step = -1;  // index into Plan::steps; -1: a way point of a line
    int column = 0;
    double y = 0;  // of its middle
    double height = 0;
  };
  struct Line {
    GraphEdge edge;
    std::vector<int> boxes;  // from, way points, to
  };
  struct StageColumns {
    int first = 0;
    int last = 0;
  };
  std::vector<Box> boxes;  // those of the steps first, in their order
  std::vector<Line> lines;
  std::vector<StageColumns> stages;
  int columns = 0;
  double height = 0;
};

GraphLayout LayOutGraph(const Plan& plan, const std::vector<GraphEdge>& edges,
                        double box_height, double gap);

}  // namespace sluice::planning
