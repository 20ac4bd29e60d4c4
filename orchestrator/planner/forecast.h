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

}  // namespace sluice
