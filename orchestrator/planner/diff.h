// What changes between two plans, for whom, and which decisions it voids.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/planner/plan.h"
#include "orchestrator/planner/render.h"

namespace sluice {

struct PlanDiff {
  enum class Kind { kAdded, kRemoved, kChanged };
  // One thing of the estate: "system billing-engine", "host db-1",
  // "stage data".
  struct Change {
    Kind kind = Kind::kChanged;
    std::string what;  // "system", "entry", "host", "flows", "stage", …
    std::string name;
    StageId stage;                     // where it comes back, for a step
    std::vector<std::string> details;  // "soak: 10s becomes 11s"
  };
  // A stage of the new plan, and whether decisions made at its gate under the
  // old plan still hold (S10: they do not when its digest differs).
  struct Stage {
    StageId id;
    bool is_new = false;
    bool voided = false;
    std::string old_digest;
    std::string new_digest;
    std::string quorum;  // who has to be asked
  };
  std::string old_digest;
  std::string new_digest;
  std::vector<Change> changes;  // sorted by what, then by name
  std::vector<Stage> stages;    // of the new plan, in its order
  std::vector<StageId> gone;    // stages of the old plan alone

  bool empty() const { return old_digest == new_digest; }
};

PlanDiff DiffPlans(const Plan& before, const Plan& after);

std::string DiffText(const PlanDiff& diff, const RenderOptions& options);
std::string DiffJson(const PlanDiff& diff);

}  // namespace sluice
