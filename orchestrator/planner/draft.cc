#include "orchestrator/planner/draft.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/contract.h"

namespace sluice::planning {
namespace {

// The manifest room has refused unknown names; a model made by hand may still
// hold one, and a sentence beats a crash.
absl::Status Unknown(const Model& model, const Place& place,
                     absl::string_view what, absl::string_view name) {
  return absl::InvalidArgumentError(
      absl::StrCat(At(model, place), what, " '", name,
                   "' is not declared in this manifest"));
}

StepId EntryId(const ExternalId& external, const SystemId& system,
               const PortId& port) {
  return StepId(
      absl::StrCat(external.str(), ">", system.str(), ":", port.str()));
}

template <class Map, class Values>
absl::Status Index(const Model& model, const Values& values,
                   absl::string_view kind, Map& map) {
  for (const auto& value : values) {
    if (!map.emplace(value.id, &value).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(At(model, value.place), kind, " '", value.id.str(),
                       "' is declared twice; remove or rename one"));
    }
  }
  return absl::OkStatus();
}

absl::Status ListSteps(Draft& draft) {
  const Model& model = *draft.model;
  for (const System& system : model.systems) {
    DraftStep step;
    step.id = StepId(system.id.str());
    step.system = &system;
    step.place = system.place;
    draft.steps.push_back(std::move(step));
    for (const Service& service : system.serves) {
      DraftStep entry;
      entry.id = EntryId(service.external, system.id, service.port);
      entry.system = &system;
      const auto external = draft.externals.find(service.external);
      if (external == draft.externals.end()) {
        return Unknown(model, service.place, "external",
                       service.external.str());
      }
      entry.external = external->second;
      entry.port = system.FindPort(service.port);
      if (entry.port == nullptr) {
        return Unknown(model, service.place, "port",
                       absl::StrCat(system.id.str(), ":", service.port.str()));
      }
      entry.place = service.place;
      draft.steps.push_back(std::move(entry));
    }
  }
  std::stable_sort(
      draft.steps.begin(), draft.steps.end(),
      [](const DraftStep& a, const DraftStep& b) { return a.id < b.id; });
  // The same entry written twice is one entry.
  draft.steps.erase(std::unique(draft.steps.begin(), draft.steps.end(),
                                [](const DraftStep& a, const DraftStep& b) {
                                  return a.id == b.id;
                                }),
                    draft.steps.end());
  for (size_t i = 0; i < draft.steps.size(); ++i) {
    if (draft.steps[i].external == nullptr) {
      draft.step_of.emplace(draft.steps[i].system->id, static_cast<int>(i));
    }
  }
  return absl::OkStatus();
}

int FindStep(const Draft& draft, const StepId& id) {
  const auto at =
      std::lower_bound(draft.steps.begin(), draft.steps.end(), id,
                       [](const DraftStep& step, const StepId& wanted) {
                         return step.id < wanted;
                       });
  return at != draft.steps.end() && at->id == id
             ? static_cast<int>(at - draft.steps.begin())
             : -1;
}

absl::Status NeedsOfSystem(const Draft& draft, DraftStep& step) {
  for (const Need& need : step.system->needs) {
    if (need.system.empty()) continue;  // an external has no step to wait for
    const auto target = draft.step_of.find(need.system);
    if (target == draft.step_of.end()) {
      return Unknown(*draft.model, need.place, "system", need.system.str());
    }
    step.needs.push_back(
        {target->second, need.strength, /*soaked=*/false, need.place});
  }
  return absl::OkStatus();
}

// S1: an external comes in only after the system it enters passed its soak.
absl::Status NeedsOfEntry(const Draft& draft, DraftStep& step) {
  step.needs.push_back({draft.step_of.at(step.system->id), Strength::kHard,
                        /*soaked=*/true, step.place});
  for (const Service& service : step.system->serves) {
    if (service.external != step.external->id ||
        service.port != step.port->id) {
      continue;
    }
    for (const ExternalId& earlier : service.after) {
      bool enters = false;
      for (const Service& other : step.system->serves) {
        if (other.external != earlier) continue;
        enters = true;
        const int entry =
            FindStep(draft, EntryId(earlier, step.system->id, other.port));
        SLUICE_CHECK(entry >= 0);
        step.needs.push_back(
            {entry, Strength::kHard, /*soaked=*/true, service.place});
      }
      if (!enters) {
        return absl::InvalidArgumentError(
            absl::StrCat(At(*draft.model, service.place), "'",
                         service.external.str(), "' comes after '",
                         earlier.str(), "', which '", step.system->id.str(),
                         "' does not serve; serve it there, or "
                         "remove it from 'after'"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ListJointGroups(Draft& draft) {
  for (const JointGroup& group : draft.model->joint) {
    std::vector<int> steps;
    for (const SystemId& id : group.systems) {
      const auto step = draft.step_of.find(id);
      if (step == draft.step_of.end()) {
        return Unknown(*draft.model, group.place, "system", id.str());
      }
      steps.push_back(step->second);
    }
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
    if (!steps.empty()) draft.joint.push_back(std::move(steps));
  }
  // Numbered by their first system, wherever they stand in the source.
  std::sort(draft.joint.begin(), draft.joint.end());
  draft.joint.erase(std::unique(draft.joint.begin(), draft.joint.end()),
                    draft.joint.end());
  for (size_t i = 0; i < draft.joint.size(); ++i) {
    for (const int step : draft.joint[i]) {
      if (draft.steps[step].joint >= 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("system '", draft.steps[step].id.str(),
                         "' is in two joint groups; make them one group"));
      }
      draft.steps[step].joint = static_cast<int>(i);
    }
  }
  return absl::OkStatus();
}

void MergeNeeds(std::vector<DraftNeed>& needs) {
  std::stable_sort(
      needs.begin(), needs.end(), [](const DraftNeed& a, const DraftNeed& b) {
        return std::tie(a.step, a.strength) < std::tie(b.step, b.strength);
      });
  size_t kept = 0;
  for (size_t i = 0; i < needs.size(); ++i) {
    if (kept > 0 && needs[kept - 1].step == needs[i].step) {
      needs[kept - 1].soaked |= needs[i].soaked;  // the hard one came first
    } else {
      needs[kept++] = needs[i];
    }
  }
  needs.resize(kept);
}

// The members of a joint group wait for what any of them needs outside it,
// never for each other.
void ShareJointNeeds(Draft& draft) {
  for (size_t i = 0; i < draft.joint.size(); ++i) {
    std::vector<DraftNeed> outside;
    for (const int member : draft.joint[i]) {
      DraftStep& step = draft.steps[member];
      for (const DraftNeed& need : step.needs) {
        if (draft.steps[need.step].joint != static_cast<int>(i)) {
          outside.push_back(need);
        } else if (need.strength == Strength::kHard && need.step != member) {
          step.inside.push_back(need.step);
        }
      }
      std::sort(step.inside.begin(), step.inside.end());
    }
    for (const int member : draft.joint[i]) {
      draft.steps[member].needs = outside;
    }
  }
}

}  // namespace

std::string At(const Model& model, const Place& place) {
  const bool known = place.line > 0 && place.file >= 0 &&
                     place.file < static_cast<int>(model.files.size());
  if (!known) return "";
  return absl::StrCat(model.files[place.file], ":", place.line, ":",
                      place.column, ": ");
}

absl::StatusOr<Draft> DraftSteps(const Model& model) {
  Draft draft;
  draft.model = &model;
  if (absl::Status s = Index(model, model.hosts, "host", draft.hosts);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = Index(model, model.systems, "system", draft.systems);
      !s.ok()) {
    return s;
  }
  if (absl::Status s =
          Index(model, model.externals, "external", draft.externals);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ListSteps(draft); !s.ok()) return s;
  for (DraftStep& step : draft.steps) {
    absl::Status s = step.external == nullptr ? NeedsOfSystem(draft, step)
                                              : NeedsOfEntry(draft, step);
    if (!s.ok()) return s;
  }
  if (absl::Status s = ListJointGroups(draft); !s.ok()) return s;
  ShareJointNeeds(draft);
  for (DraftStep& step : draft.steps) MergeNeeds(step.needs);
  return draft;
}

}  // namespace sluice::planning
