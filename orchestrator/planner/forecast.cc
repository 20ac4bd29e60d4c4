#include "orchestrator/planner/forecast.h"

#include "absl/container/flat_hash_map.h"
#include "orchestrator/planner/timeline.h"

namespace sluice {

using planning::MakeTimeline;
using planning::Timeline;
using planning::TimelineStep;

Remaining WholeDuration(const PlannedStep& step) {
  if (step.expected > absl::ZeroDuration()) {
    return {step.expected + step.soak, step.expected + step.soak};
  }
  return {kUnmeasuredLow + step.soak, kUnmeasuredHigh + step.soak};
}

ForecastResult Forecast(
    const Plan& plan,
    const std::function<Remaining(const PlannedStep&)>& left) {
  absl::flat_hash_map<StepId, int> index;
  index.reserve(plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    index.emplace(plan.steps[i].id, static_cast<int>(i));
  }
  absl::flat_hash_map<StageId, int> stage;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    stage.emplace(plan.stages[i].id, static_cast<int>(i));
  }
  std::vector<int> order;
  order.reserve(plan.order.size());
  for (const StepId& id : plan.order) order.push_back(index.at(id));

  std::vector<TimelineStep> low(plan.steps.size());
  std::vector<absl::Duration> high_left(plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const PlannedStep& step = plan.steps[i];
    const Remaining remaining = left(step);
    low[i].stage = stage.at(step.stage);
    low[i].soak = step.soak;
    low[i].left = remaining.low;
    low[i].started = remaining.started;
    high_left[i] = remaining.high;
    for (const StepNeed& need : step.needs) {
      if (need.strength == Strength::kSoft) continue;
      low[i].needs.push_back({index.at(need.step), need.soaked});
    }
  }
  const Timeline earliest = MakeTimeline(low, order);
  std::vector<TimelineStep>& high = low;
  for (size_t i = 0; i < high.size(); ++i) high[i].left = high_left[i];
  const Timeline latest = MakeTimeline(high, order);

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
