// The plan as people read it. Text fits 80 columns.

#pragma once

#include <string>

#include "orchestrator/planner/plan.h"

namespace sluice {

struct RenderOptions {
  int width = 80;
  bool colour = false;
  bool show_flows = false;  // every flow, not their number
};

// Stages in order, and in each the steps: what they wait for, which flows they
// get, checks, tasks, soak; the gate and who opens it; hosts; critical path;
// digests. The city utility's fits two screens of 50 lines.
std::string PlanText(const Plan& plan, const RenderOptions& options);

// The whole plan for programs; keys sorted, stable.
std::string PlanJson(const Plan& plan);

}  // namespace sluice
