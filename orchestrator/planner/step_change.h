// What a new plan changes for one step that may be on its way already: whether
// the release order it was opened by still covers it.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/planner/plan.h"

namespace sluice {

struct StepChange {
  // Hosts, lease, joint group, a hard need or a flow that its release order
  // did not hold: it cannot go on under that order.
  bool release = false;
  // How it is inspected, started, probed, soaked or accepted: past for a step
  // that is back, not for one on its way.
  bool checks = false;
  bool watch = false;             // what is watched, or how often
  std::vector<GrantId> gone;      // it opens these no longer; sorted
  std::vector<GrantId> soft;      // new, and it can do without them; sorted
  std::vector<std::string> what;  // "its hosts", "its flows": in a fixed order

  bool any() const {
    return release || checks || watch || !gone.empty() || !soft.empty();
  }
};

// The same checks asked in the same way, in the same order.
bool SameChecks(const std::vector<PlannedCheck>& before,
                const std::vector<PlannedCheck>& after);

// Its title, category, priority, place, stage and what a failure does are not
// compared: they apply at once and void nothing.
// REQUIRES: the steps belong to the plans and have the same id.
StepChange CompareSteps(const Plan& before, const PlannedStep& old_step,
                        const Plan& after, const PlannedStep& new_step);

}  // namespace sluice
