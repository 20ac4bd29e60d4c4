#include "orchestrator/planner/timeline.h"

#include <algorithm>

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
  result.end.resize(steps.size());
  std::vector<absl::Duration> healthy(steps.size());
  std::vector<int> cause(steps.size(), -1);
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
    cause[i] = start.cause;
    healthy[i] = step.left == absl::InfiniteDuration()
                     ? step.left
                     : start.at + std::max(kZero, step.left - step.soak);
    result.end[i] = start.at + step.left;
    result.total = std::max(result.total, result.end[i]);
    if (result.end[i] < absl::InfiniteDuration()) {
      settled.Delay(result.end[i], i);
    }
  }
  for (int i = settled.cause; i >= 0; i = cause[i]) result.path.push_back(i);
  std::reverse(result.path.begin(), result.path.end());
  return result;
}

}  // namespace sluice::planning
