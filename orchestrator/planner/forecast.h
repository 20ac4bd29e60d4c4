// When everything is back, as far as machines go.

#pragma once

#include <functional>
#include <map>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/planner/plan.h"

namespace sluice {

// How much of a step is still to do, and from when on it can go on.
struct Remaining {
  absl::Duration low;
  absl::Duration high;
  // It has begun: neither stages nor needs hold it up any more.
  bool started = false;
};

struct ForecastResult {
  // From now, without people's waiting; infinite when the step cannot come
  // back as things are (something it needs has failed).
  std::map<StepId, Remaining> steps;
  Remaining estate;
  std::vector<StepId> critical_path;
};

// What a step takes when nobody measured or said: connecting and probing.
inline constexpr absl::Duration kUnmeasuredLow = absl::Seconds(2);
inline constexpr absl::Duration kUnmeasuredHigh = absl::Seconds(60);

// `left(step)` gives what the step itself still has to do ({0,0}: done;
// infinite: it has failed). Stages wait for the ones before them.
ForecastResult Forecast(
    const Plan& plan, const std::function<Remaining(const PlannedStep&)>& left);

// A step's own whole duration, nothing done yet.
Remaining WholeDuration(const PlannedStep& step);

// What if: hosts that never come back, systems that take longer.
struct WhatIf {
  std::vector<HostId> without;
  std::map<SystemId, absl::Duration> slow;  // instead of `expected`
};

// A step's own whole duration under `what_if`; infinite when fewer of its hosts
// are left than are enough. REQUIRES: `what_if` outlives the function.
std::function<Remaining(const PlannedStep&)> WholeDurationIf(
    const WhatIf& what_if);

// What comes back later than the business wants it; the estate first, then by
// step. People's time is not in it: with that, more may be late.
struct Lateness {
  StepId step;  // empty: the whole estate
  absl::Duration wanted_by;
  Remaining back;
  bool surely = false;  // even when all goes fast; else only when it goes slow
};
std::vector<Lateness> LateSteps(const Plan& plan,
                                const ForecastResult& forecast);

}  // namespace sluice
