// How likely which end is: a plan's durations drawn at random from what was
// measured, many times over. The same seed gives the same figures everywhere.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/planner/forecast.h"
#include "orchestrator/planner/plan.h"

namespace sluice {

// Connecting and probing, as past runs and rehearsals took; without the soak.
using Measured = std::map<StepId, std::vector<absl::Duration>>;

// Half of the trials, and nine of ten, end by then; infinite: they do not.
struct Quantiles {
  absl::Duration p50;
  absl::Duration p90;
};

struct Chances {
  std::map<StepId, Quantiles> steps;
  Quantiles estate;
  // The chain that decided the end most often, and in which share of trials.
  std::vector<StepId> critical_path;
  double path_share = 0;
};

// The range of what was measured, where something was; else as
// WholeDurationIf. A system that `what_if` makes slow is slow, whatever was
// measured. REQUIRES: both outlive the function.
std::function<Remaining(const PlannedStep&)> WholeDurationFrom(
    const WhatIf& what_if, const Measured& measured);

// `expected` is a guess where nobody measured: tried up to so much less or
// more, evenly.
inline constexpr double kExpectedSpread = 0.25;

// Each trial draws every step's duration: between two neighbours of what was
// measured; else around what is expected; else from kUnmeasuredLow to
// kUnmeasuredHigh, each doubling as likely as the next, since nobody knows the
// order of magnitude. REQUIRES: trials > 0.
Chances Simulate(const Plan& plan, const WhatIf& what_if,
                 const Measured& measured, uint64_t seed, int trials);

// What nine of ten trials, or even half, bring back later than it is wanted;
// the estate first, then by step. People's time is not in it.
struct LateChance {
  StepId step;  // empty: the whole estate
  absl::Duration wanted_by;
  Quantiles back;
};
std::vector<LateChance> LateInTrials(const Plan& plan, const Chances& chances);

}  // namespace sluice
