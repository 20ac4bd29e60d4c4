#include "orchestrator/planner/timeline.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"

namespace sluice::planning {
namespace {

constexpr absl::Duration kZero = absl::ZeroDuration();

struct Moment {
  absl::Duration at = absl::ZeroDuration();
  int cause = -1;  // the step whose progress this waits for

  void Delay(absl::Duration until, int by) {
    if (until <= at) return;
    at = until;
    cause = by;
  }
};

}  // namespace

Timeline MakeTimeline(const std::vector<TimelineStep>& steps,
                      const std::vector<int>& order) {
  Timeline result;
  result.start.resize(steps.size());
  result.end.resize(steps.size());
  result.cause.resize(steps.size(), -1);
  std::vector<absl::Duration> healthy(steps.size());
  Moment barrier;  // when all stages before the current one have settled
  Moment settled;  // the same with what is known of the current one
  int stage = -1;
  for (const int i : order) {
    const TimelineStep& step = steps[i];
    if (step.stage != stage) {
      stage = step.stage;
      barrier = settled;
    }
    Moment start;
    if (!step.started && step.left > kZero) {
      start = barrier;
      for (const TimelineStep::Need& need : step.needs) {
        start.Delay(need.soaked ? result.end[need.step] : healthy[need.step],
                    need.step);
      }
    }
    result.cause[i] = start.cause;
    result.start[i] = start.at;
    healthy[i] = step.left == absl::InfiniteDuration()
                     ? step.left
                     : start.at + std::max(kZero, step.left - step.soak);
    result.end[i] = start.at + step.left;
    result.total = std::max(result.total, result.end[i]);
    if (result.end[i] < absl::InfiniteDuration()) {
      settled.Delay(result.end[i], i);
    }
  }
  if (settled.cause >= 0) result.path = ChainTo(result, settled.cause);
  return result;
}

std::vector<int> ChainTo(const Timeline& timeline, int step) {
  std::vector<int> chain;
  for (int i = step; i >= 0; i = timeline.cause[i]) chain.push_back(i);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

StepLayout LayOut(const Plan& plan) {
  absl::flat_hash_map<StepId, int> index;
  index.reserve(plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    index.emplace(plan.steps[i].id, static_cast<int>(i));
  }
  absl::flat_hash_map<StageId, int> stage;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    stage.emplace(plan.stages[i].id, static_cast<int>(i));
  }
  StepLayout layout;
  layout.order.reserve(plan.order.size());
  for (const StepId& id : plan.order) layout.order.push_back(index.at(id));
  layout.steps.resize(plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const PlannedStep& step = plan.steps[i];
    layout.steps[i].stage = stage.at(step.stage);
    layout.steps[i].soak = step.soak;
    for (const StepNeed& need : step.needs) {
      if (need.strength == Strength::kSoft) continue;
      layout.steps[i].needs.push_back({index.at(need.step), need.soaked});
    }
  }
  return layout;
}

}  // namespace sluice::planning
