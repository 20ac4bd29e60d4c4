// The order of steps. The model's graph knows systems alone; here entries are
// vertices too, and an earlier stage comes before everything of a later one.

#include <queue>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/planner/draft.h"

namespace sluice::planning {
namespace {

absl::Status CycleError(const Draft& draft, const std::vector<int>& missing) {
  // Every step left over waits for another one left over: walk until one
  // repeats.
  size_t at = 0;
  while (missing[at] == 0) ++at;
  std::vector<int> position(draft.steps.size(), -1);
  std::vector<int> walk;
  int step = static_cast<int>(at);
  while (position[step] < 0) {
    position[step] = static_cast<int>(walk.size());
    walk.push_back(step);
    for (const DraftNeed& need : draft.steps[step].needs) {
      if (need.strength == Strength::kHard && missing[need.step] > 0) {
        step = need.step;
        break;
      }
    }
  }
  std::string text;
  for (size_t i = position[step]; i < walk.size(); ++i) {
    absl::StrAppend(&text, "'", draft.steps[walk[i]].id.str(), "' needs ");
  }
  absl::StrAppend(&text, "'", draft.steps[step].id.str(), "'");
  return absl::InvalidArgumentError(absl::StrCat(
      At(*draft.model, draft.steps[step].place), "needs run in a circle: ",
      text, "; make one of them soft, or declare a joint group"));
}

}  // namespace

absl::Status OrderSteps(Draft& draft) {
  const int count = static_cast<int>(draft.steps.size());
  std::vector<int> missing(count, 0);
  std::vector<std::vector<int>> dependents(count);
  for (int i = 0; i < count; ++i) {
    for (const DraftNeed& need : draft.steps[i].needs) {
      if (need.strength == Strength::kSoft) continue;
      ++missing[i];
      dependents[need.step].push_back(i);
    }
  }
  // Steps are sorted by id, so that their number is the last tie.
  using Key = std::tuple<int, Priority, int>;
  std::priority_queue<Key, std::vector<Key>, std::greater<Key>> ready;
  const auto push = [&](int i) {
    ready.emplace(draft.steps[i].stage, draft.steps[i].system->priority, i);
  };
  for (int i = 0; i < count; ++i) {
    if (missing[i] == 0) push(i);
  }
  draft.order.clear();
  draft.order.reserve(count);
  while (!ready.empty()) {
    const int step = std::get<2>(ready.top());
    ready.pop();
    draft.order.push_back(step);
    for (const int dependent : dependents[step]) {
      if (--missing[dependent] == 0) push(dependent);
    }
  }
  if (static_cast<int>(draft.order.size()) < count) {
    return CycleError(draft, missing);
  }
  return absl::OkStatus();
}

}  // namespace sluice::planning
