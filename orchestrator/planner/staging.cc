// Which stage a step belongs to.

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "orchestrator/planner/draft.h"

namespace sluice::planning {
namespace {

constexpr int kFoundations = 0;
constexpr int kData = 1;
constexpr int kApplications = 2;
constexpr int kOutside = 3;

// The manifest's own, and where it names nobody, the incident commander.
GateRule DefaultGate(const Model& model) {
  GateRule gate = model.default_gate;
  if (gate.approvals.empty()) {
    gate.approvals[RoleId("incident-commander")] = 1;
  }
  return gate;
}

// Foundations are what calls itself so, and what they cannot do without.
void MarkFoundations(Draft& draft) {
  std::vector<int> ahead;
  const auto mark = [&](int i) {
    if (draft.steps[i].stage == kFoundations) return;
    draft.steps[i].stage = kFoundations;
    ahead.push_back(i);
  };
  for (size_t i = 0; i < draft.steps.size(); ++i) {
    const DraftStep& step = draft.steps[i];
    if (step.external == nullptr && step.system->category == "foundation") {
      mark(static_cast<int>(i));
    }
  }
  while (!ahead.empty()) {
    const DraftStep& step = draft.steps[ahead.back()];
    ahead.pop_back();
    for (const DraftNeed& need : step.needs) {
      if (need.strength == Strength::kHard) mark(need.step);
    }
    if (step.joint < 0) continue;
    for (const int member : draft.joint[step.joint]) mark(member);
  }
}

// Data is what others need and what itself needs nothing but foundations.
void MarkData(Draft& draft) {
  std::vector<bool> needed(draft.steps.size(), false);
  for (const DraftStep& step : draft.steps) {
    if (step.external != nullptr) continue;  // to serve is not to be data
    for (const DraftNeed& need : step.needs) needed[need.step] = true;
  }
  for (const std::vector<int>& group : draft.joint) {
    const bool any = std::any_of(group.begin(), group.end(),
                                 [&](int i) { return needed[i]; });
    for (const int member : group) needed[member] = any;
  }
  std::vector<int> data;
  for (size_t i = 0; i < draft.steps.size(); ++i) {
    const DraftStep& step = draft.steps[i];
    if (step.stage >= 0 || step.external != nullptr || !needed[i]) continue;
    const bool on_foundations = std::all_of(
        step.needs.begin(), step.needs.end(), [&](const DraftNeed& need) {
          return need.strength == Strength::kSoft ||
                 draft.steps[need.step].stage == kFoundations;
        });
    if (on_foundations) data.push_back(static_cast<int>(i));
  }
  for (const int i : data) draft.steps[i].stage = kData;
}

void AssignDefaultStages(Draft& draft) {
  for (const char* name : {"foundations", "data", "applications", "outside"}) {
    draft.stages.push_back({StageId(name), DefaultGate(*draft.model)});
  }
  MarkFoundations(draft);
  MarkData(draft);
  for (DraftStep& step : draft.steps) {
    if (step.stage >= 0) continue;
    step.stage = step.external != nullptr ? kOutside : kApplications;
  }
}

absl::Status AssignDeclaredStages(Draft& draft) {
  const Model& model = *draft.model;
  absl::flat_hash_map<SystemId, int> of_system;
  absl::flat_hash_map<ExternalId, int> of_external;
  const auto twice = [&](const Stage& stage, int other, const auto& id) {
    return absl::InvalidArgumentError(
        absl::StrCat(At(model, stage.place), "'", id.str(),
                     "' stands in the stages '", model.stages[other].id.str(),
                     "' and '", stage.id.str(), "'; remove it from one"));
  };
  for (size_t i = 0; i < model.stages.size(); ++i) {
    const Stage& stage = model.stages[i];
    const int number = static_cast<int>(i);
    draft.stages.push_back({stage.id, stage.gate});
    if (draft.stages.back().gate.approvals.empty()) {
      draft.stages.back().gate.approvals = DefaultGate(model).approvals;
    }
    for (const SystemId& id : stage.systems) {
      const auto [at, is_new] = of_system.emplace(id, number);
      if (!is_new && at->second != number) return twice(stage, at->second, id);
    }
    for (const ExternalId& id : stage.flows) {
      const auto [at, is_new] = of_external.emplace(id, number);
      if (!is_new && at->second != number) return twice(stage, at->second, id);
    }
  }
  const int last = static_cast<int>(model.stages.size()) - 1;
  for (DraftStep& step : draft.steps) {
    if (step.external != nullptr) {
      const auto at = of_external.find(step.external->id);
      step.stage = at != of_external.end() ? at->second : last;
      continue;
    }
    const auto at = of_system.find(step.system->id);
    if (at == of_system.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          At(model, step.place), "system '", step.id.str(),
          "' is in no stage; add it to the stage in which it comes back"));
    }
    step.stage = at->second;
  }
  return absl::OkStatus();
}

absl::Status CheckStageOrder(const Draft& draft) {
  const Model& model = *draft.model;
  for (const std::vector<int>& group : draft.joint) {
    const DraftStep& first = draft.steps[group.front()];
    for (const int member : group) {
      const DraftStep& step = draft.steps[member];
      if (step.stage == first.stage) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          At(model, step.place), "'", first.id.str(), "' and '", step.id.str(),
          "' come back together (joint), but stand in the "
          "stages '",
          draft.stages[first.stage].id.str(), "' and '",
          draft.stages[step.stage].id.str(), "'; put both in one stage"));
    }
  }
  for (const DraftStep& step : draft.steps) {
    for (const DraftNeed& need : step.needs) {
      const DraftStep& needed = draft.steps[need.step];
      if (need.strength == Strength::kSoft || needed.stage <= step.stage) {
        continue;
      }
      return absl::InvalidArgumentError(absl::StrCat(
          At(model, need.place), "'", step.id.str(), "' of stage '",
          draft.stages[step.stage].id.str(), "' needs '", needed.id.str(),
          "', which comes back only in the later stage '",
          draft.stages[needed.stage].id.str(), "'; move '", needed.id.str(),
          "' to an earlier stage, '", step.id.str(),
          "' to a later one, or make the need soft"));
    }
  }
  return absl::OkStatus();
}

// A gate with nothing behind it would ask people for nothing.
void DropEmptyStages(Draft& draft) {
  std::vector<int> renumbered(draft.stages.size(), -1);
  for (const DraftStep& step : draft.steps) renumbered[step.stage] = 0;
  std::vector<Draft::Stage> kept;
  for (size_t i = 0; i < draft.stages.size(); ++i) {
    if (renumbered[i] < 0) continue;
    renumbered[i] = static_cast<int>(kept.size());
    kept.push_back(std::move(draft.stages[i]));
  }
  draft.stages = std::move(kept);
  for (DraftStep& step : draft.steps) step.stage = renumbered[step.stage];
}

}  // namespace

absl::Status AssignStages(Draft& draft) {
  if (draft.model->stages.empty()) {
    AssignDefaultStages(draft);
  } else {
    SLUICE_RETURN_IF_ERROR(AssignDeclaredStages(draft));
  }
  SLUICE_RETURN_IF_ERROR(CheckStageOrder(draft));
  DropEmptyStages(draft);
  return absl::OkStatus();
}

}  // namespace sluice::planning
