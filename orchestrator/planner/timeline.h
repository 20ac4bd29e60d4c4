// When steps end, given what each still has to do: the one rule of time that
// the critical path and the forecast share. Private to this room.
//
// A step starts when every earlier stage has settled and every hard need is
// healthy (or soaked, for an entry); it ends `left` later. It is healthy when
// only its soak is left. Infinite: failed. A failed step takes those who need
// it with it, but settles its stage all the same.

#pragma once

#include <vector>

#include "absl/time/time.h"
#include "orchestrator/planner/plan.h"

namespace sluice::planning {

struct TimelineStep {
  struct Need {
    int step = 0;
    bool soaked = false;
  };
  int stage = 0;
  std::vector<Need> needs;  // hard ones
  absl::Duration soak;
  absl::Duration left;
  bool started = false;  // waits for nothing any more
};

struct Timeline {
  std::vector<absl::Duration> start;
  std::vector<absl::Duration> end;  // infinite: never, as things are
  std::vector<int> cause;  // the step that decides when one starts; -1: none
  std::vector<int> path;   // longest chain of those that end
  absl::Duration total;    // when the last ends; infinite: not all do
};

// REQUIRES: `order` holds every step once, earlier stages first, what is
// needed first.
Timeline MakeTimeline(const std::vector<TimelineStep>& steps,
                      const std::vector<int>& order);

// A plan's steps as numbers, in the order of Plan::steps; what is left of each
// is for the caller to say.
struct StepLayout {
  std::vector<TimelineStep> steps;
  std::vector<int> order;
};
StepLayout LayOut(const Plan& plan);

// The chain of causes that ends with `step`, what comes first first.
std::vector<int> ChainTo(const Timeline& timeline, int step);

}  // namespace sluice::planning
