// The forecast as people and programs read it, for `sluice forecast`.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "orchestrator/planner/chances.h"
#include "orchestrator/planner/plan.h"
#include "orchestrator/planner/render.h"

namespace sluice {

struct ForecastQuestion {
  WhatIf what_if;
  Measured measured;  // empty: nothing was; then there are no chances
  // How long people were asked in past runs, at gates of this plan.
  std::map<StageId, std::vector<absl::Duration>> asked;
  uint64_t seed = 1;
  int trials = 1000;
};

// When each system and the estate is back, machines' time alone; what people
// have to do is listed beside it; the critical path; who is late. Names in the
// question that the plan does not have change nothing.
std::string ForecastText(const Plan& plan, const ForecastQuestion& question,
                         const RenderOptions& options);

// The same for programs; milliseconds, null for never.
std::string ForecastJson(const Plan& plan, const ForecastQuestion& question);

}  // namespace sluice
