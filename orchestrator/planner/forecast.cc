#include "orchestrator/planner/forecast.h"

#include "orchestrator/planner/timeline.h"

namespace sluice {

using planning::MakeTimeline;
using planning::Timeline;

Remaining WholeDuration(const PlannedStep& step) {
  if (step.expected > absl::ZeroDuration()) {
    return {step.expected + step.soak, step.expected + step.soak};
  }
  return {kUnmeasuredLow + step.soak, kUnmeasuredHigh + step.soak};
}

ForecastResult Forecast(
    const Plan& plan,
    const std::function<Remaining(const PlannedStep&)>& left) {
  planning::StepLayout layout = planning::LayOut(plan);
  std::vector<absl::Duration> high(plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Remaining remaining = left(plan.steps[i]);
    layout.steps[i].left = remaining.low;
    layout.steps[i].started = remaining.started;
    high[i] = remaining.high;
  }
  const Timeline earliest = MakeTimeline(layout.steps, layout.order);
  for (size_t i = 0; i < high.size(); ++i) layout.steps[i].left = high[i];
  const Timeline latest = MakeTimeline(layout.steps, layout.order);

  ForecastResult result;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    result.steps.emplace_hint(result.steps.end(), plan.steps[i].id,
                              Remaining{earliest.end[i], latest.end[i]});
  }
  result.estate = {earliest.total, latest.total};
  for (const int i : latest.path) {
    result.critical_path.push_back(plan.steps[i].id);
  }
  return result;
}

}  // namespace sluice
