#include "orchestrator/planner/chances.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/contract.h"
#include "orchestrator/planner/timeline.h"

namespace sluice {
namespace {

using planning::MakeTimeline;
using planning::StepLayout;

// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine,
// which the standard library's distributions are not.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // From 0 up to, but not including, 1.
  double Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return static_cast<double>(z >> 11) * 0x1.0p-53;
  }

 private:
  uint64_t state_;
};

// Samples of a step that count: not of one that what-if makes slow or stops.
const std::vector<absl::Duration>* SamplesOf(const PlannedStep& step,
                                             const WhatIf& what_if,
                                             const Measured& measured) {
  const bool slow = step.external.empty() && what_if.slow.count(step.system);
  const auto at = measured.find(step.id);
  if (slow || at == measured.end() || at->second.empty()) return nullptr;
  return &at->second;
}

// What one step takes: the durations a draw goes between, sorted.
std::vector<absl::Duration> PointsOf(const PlannedStep& step,
                                     const WhatIf& what_if,
                                     const Measured& measured) {
  const Remaining whole = WholeDurationIf(what_if)(step);
  const std::vector<absl::Duration>* samples =
      SamplesOf(step, what_if, measured);
  if (samples == nullptr || whole.low == absl::InfiniteDuration()) {
    return {whole.low, whole.high};
  }
  std::vector<absl::Duration> points = *samples;
  for (absl::Duration& point : points) point += step.soak;
  std::sort(points.begin(), points.end());
  return points;
}

// Evenly spread over the logarithm, nearly: square roots are exact on every
// machine, which powers are not.
std::vector<absl::Duration> UnmeasuredPoints() {
  constexpr int kParts = 8;
  const double ratio = std::sqrt(std::sqrt(
      std::sqrt(absl::FDivDuration(kUnmeasuredHigh, kUnmeasuredLow))));
  std::vector<absl::Duration> points = {kUnmeasuredLow};
  for (int i = 1; i < kParts; ++i) points.push_back(points.back() * ratio);
  points.push_back(kUnmeasuredHigh);
  return points;
}

// The same as trials draw it: less sure of what nobody measured.
std::vector<absl::Duration> TrialPoints(const PlannedStep& step,
                                        const WhatIf& what_if,
                                        const Measured& measured) {
  std::vector<absl::Duration> points = PointsOf(step, what_if, measured);
  const bool slow = step.external.empty() && what_if.slow.count(step.system);
  if (slow || SamplesOf(step, what_if, measured) != nullptr ||
      points.front() == absl::InfiniteDuration()) {
    return points;
  }
  points = step.expected > absl::ZeroDuration()
               ? std::vector{step.expected * (1 - kExpectedSpread),
                             step.expected * (1 + kExpectedSpread)}
               : UnmeasuredPoints();
  for (absl::Duration& point : points) point += step.soak;
  return points;
}

absl::Duration Draw(const std::vector<absl::Duration>& points, double at) {
  if (points.front() == points.back()) return points.front();
  const double place = at * static_cast<double>(points.size() - 1);
  const auto below = static_cast<size_t>(place);
  return points[below] + (points[below + 1] - points[below]) *
                             (place - static_cast<double>(below));
}

// `ends` in the order of trials; the smallest by which that part has ended.
Quantiles QuantilesOf(std::vector<absl::Duration>& ends) {
  std::sort(ends.begin(), ends.end());
  const auto at = [&](size_t tenths) {
    return ends[(ends.size() * tenths + 9) / 10 - 1];
  };
  return {at(5), at(9)};
}

}  // namespace

std::function<Remaining(const PlannedStep&)> WholeDurationFrom(
    const WhatIf& what_if, const Measured& measured) {
  return [&what_if, &measured](const PlannedStep& step) -> Remaining {
    const std::vector<absl::Duration> points =
        PointsOf(step, what_if, measured);
    return {points.front(), points.back()};
  };
}

Chances Simulate(const Plan& plan, const WhatIf& what_if,
                 const Measured& measured, uint64_t seed, int trials) {
  SLUICE_CHECK(trials > 0);
  StepLayout layout = planning::LayOut(plan);
  std::vector<std::vector<absl::Duration>> points;
  points.reserve(plan.steps.size());
  for (const PlannedStep& step : plan.steps) {
    points.push_back(TrialPoints(step, what_if, measured));
  }
  const auto count = static_cast<size_t>(trials);
  std::vector<std::vector<absl::Duration>> ends(plan.steps.size());
  for (auto& of_step : ends) of_step.reserve(count);
  std::vector<absl::Duration> totals;
  totals.reserve(count);
  std::map<std::vector<int>, size_t> paths;
  Random random(seed);
  for (size_t trial = 0; trial < count; ++trial) {
    for (size_t i = 0; i < points.size(); ++i) {
      layout.steps[i].left = Draw(points[i], random.Next());
    }
    const planning::Timeline timeline =
        MakeTimeline(layout.steps, layout.order);
    for (size_t i = 0; i < ends.size(); ++i) {
      ends[i].push_back(timeline.end[i]);
    }
    totals.push_back(timeline.total);
    ++paths[timeline.path];
  }
  Chances chances;
  for (size_t i = 0; i < ends.size(); ++i) {
    chances.steps.emplace_hint(chances.steps.end(), plan.steps[i].id,
                               QuantilesOf(ends[i]));
  }
  chances.estate = QuantilesOf(totals);
  const auto usual = std::max_element(
      paths.begin(), paths.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  for (const int i : usual->first) {
    chances.critical_path.push_back(plan.steps[i].id);
  }
  chances.path_share =
      static_cast<double>(usual->second) / static_cast<double>(count);
  return chances;
}

std::vector<LateChance> LateInTrials(const Plan& plan, const Chances& chances) {
  std::vector<LateChance> late;
  const auto add = [&](const StepId& step, absl::Duration wanted_by,
                       const Quantiles& back) {
    if (wanted_by <= absl::ZeroDuration() || back.p90 <= wanted_by) return;
    late.push_back({step, wanted_by, back});
  };
  add(StepId(), plan.wanted_by, chances.estate);
  for (const PlannedStep& step : plan.steps) {
    add(step.id, step.wanted_by, chances.steps.at(step.id));
  }
  return late;
}

}  // namespace sluice
