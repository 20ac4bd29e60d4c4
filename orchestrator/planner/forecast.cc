#include "orchestrator/planner/forecast.h"

#include <algorithm>

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

std::function<Remaining(const PlannedStep&)> WholeDurationIf(
    const WhatIf& what_if) {
  return [&what_if](const PlannedStep& step) -> Remaining {
    const auto left = std::count_if(
        step.hosts.begin(), step.hosts.end(), [&](const HostId& host) {
          return std::find(what_if.without.begin(), what_if.without.end(),
                           host) == what_if.without.end();
        });
    if (left < step.enough) {
      return {absl::InfiniteDuration(), absl::InfiniteDuration()};
    }
    const auto slow = what_if.slow.find(step.system);
    if (step.external.empty() && slow != what_if.slow.end()) {
      return {slow->second + step.soak, slow->second + step.soak};
    }
    return WholeDuration(step);
  };
}

std::vector<Lateness> LateSteps(const Plan& plan,
                                const ForecastResult& forecast) {
  std::vector<Lateness> late;
  const auto add = [&](const StepId& step, absl::Duration wanted_by,
                       const Remaining& back) {
    if (wanted_by <= absl::ZeroDuration() || back.high <= wanted_by) return;
    late.push_back({step, wanted_by, back, back.low > wanted_by});
  };
  add(StepId(), plan.wanted_by, forecast.estate);
  for (const PlannedStep& step : plan.steps) {
    add(step.id, step.wanted_by, forecast.steps.at(step.id));
  }
  return late;
}

}  // namespace sluice
