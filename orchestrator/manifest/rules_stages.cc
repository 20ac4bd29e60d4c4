// Once everything is read: stages against needs, gates against people.

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/manifest/reader.h"
#include "orchestrator/model/lint.h"

namespace sluice::manifest {
namespace {

struct StageIndex {
  absl::flat_hash_map<std::string, int> systems;
  absl::flat_hash_map<std::string, int> externals;

  explicit StageIndex(const Model& model) {
    for (size_t i = 0; i < model.stages.size(); ++i) {
      for (const SystemId& id : model.stages[i].systems) {
        systems.emplace(id.str(), static_cast<int>(i));
      }
      for (const ExternalId& id : model.stages[i].flows) {
        externals.emplace(id.str(), static_cast<int>(i));
      }
    }
  }
  int System(const SystemId& id) const {
    const auto at = systems.find(id.str());
    return at == systems.end() ? -1 : at->second;
  }
  int External(const ExternalId& id) const {
    const auto at = externals.find(id.str());
    return at == externals.end() ? -1 : at->second;
  }
};

// S1 holds whatever the stages say; stages that contradict it could only wait
// for each other.
void CheckNeedsInOrder(const Model& model, const StageIndex& index,
                       const System& system, Problems& problems) {
  const int mine = index.System(system.id);
  for (const Need& need : system.needs) {
    if (need.system.empty() || need.strength != Strength::kHard) continue;
    const int theirs = index.System(need.system);
    if (mine < 0 || theirs <= mine) continue;
    problems.Error(need.place,
                   absl::StrCat("system '", system.id.str(), "' of stage '",
                                model.stages[mine].id.str(), "' needs '",
                                need.system.str(), "' of the later stage '",
                                model.stages[theirs].id.str(),
                                "'; move one of them, or make the need soft"));
  }
}

void CheckServicesInOrder(const Model& model, const StageIndex& index,
                          const System& system, Problems& problems) {
  const int mine = index.System(system.id);
  for (const Service& service : system.serves) {
    const std::string head = absl::StrCat(
        "system '", system.id.str(), "' serves '", service.external.str(), "'");
    const int theirs = index.External(service.external);
    if (theirs < 0) {
      if (model.FindExternal(service.external) == nullptr) continue;
      problems.Error(
          service.place,
          absl::StrCat(head,
                       ", which no stage lets in; add {"
                       "external: ",
                       service.external.str(), "} to the flows: of a stage"));
      continue;
    }
    if (mine > theirs) {
      problems.Error(
          service.place,
          absl::StrCat(head, ", let in by stage '",
                       model.stages[theirs].id.str(),
                       "' before the system's own stage '",
                       model.stages[mine].id.str(), "'; move one of them"));
    }
    for (const ExternalId& before : service.after) {
      const int earlier = index.External(before);
      if (earlier <= theirs) continue;
      problems.Error(service.place,
                     absl::StrCat(head, " after '", before.str(),
                                  "', which the later stage '",
                                  model.stages[earlier].id.str(),
                                  "' lets in; move one of them"));
    }
  }
}

void CheckJointStages(const Model& model, const StageIndex& index,
                      Problems& problems) {
  for (const JointGroup& group : model.joint) {
    for (const SystemId& id : group.systems) {
      const int first = index.System(group.systems[0]);
      const int stage = index.System(id);
      if (first < 0 || stage < 0 || stage == first) continue;
      problems.Error(
          group.place,
          absl::StrCat("'", group.systems[0].str(), "' and '", id.str(),
                       "' come back together, but are in "
                       "the stages '",
                       model.stages[first].id.str(), "' and '",
                       model.stages[stage].id.str(), "'; put them in one"));
      break;
    }
  }
}

// "2 incident-commander and 1 security"
std::string QuorumText(const GateRule& gate) {
  std::vector<std::string> parts;
  for (const auto& [role, count] : gate.approvals) {
    parts.push_back(absl::StrCat(count, " ", role.str()));
  }
  return absl::StrJoin(parts, " and ");
}

void CheckQuorum(const Model& model, const GateRule& gate, Place place,
                 absl::string_view who, absl::string_view origin,
                 Problems& problems) {
  for (const auto& [role, count] : gate.approvals) {
    std::vector<std::string> people;
    for (const Approver& approver : model.approvers) {
      if (std::binary_search(approver.roles.begin(), approver.roles.end(),
                             role)) {
        people.push_back(approver.id.str());
      }
    }
    // Nobody at all: where the manifest names the role, that is said there.
    if (people.empty() && origin.empty()) return;
    if (count <= static_cast<int>(people.size())) continue;
    problems.Error(
        place,
        absl::StrCat(
            who, " asks for ", count, " ", role.str(), origin, ", but there ",
            people.empty() ? std::string("is nobody")
            : people.size() == 1
                ? absl::StrCat("is only ", people[0])
                : absl::StrCat("are only ", absl::StrJoin(people, ", ")),
            "; add an approver with that role, or ask for fewer"));
    return;
  }
  if (!QuorumCanBeMet(model, gate, OperatorId())) {
    problems.Error(
        place,
        absl::StrCat(who, " asks for ", QuorumText(gate),
                     ", but a person counts once and the same people have "
                     "these roles; add an approver, or ask for fewer"));
  }
}

}  // namespace

void CheckStages(const Draft& draft, Problems& problems) {
  const Model& model = draft.model;
  if (model.stages.empty()) return;
  const StageIndex index(model);
  for (const System& system : model.systems) {
    if (index.System(system.id) < 0) {
      problems.Error(system.place,
                     absl::StrCat("system '", system.id.str(),
                                  "' is in no "
                                  "stage and would stay in quarantine; add it "
                                  "to the systems: of a stage"));
    }
    CheckNeedsInOrder(model, index, system, problems);
    CheckServicesInOrder(model, index, system, problems);
  }
  for (const Stage& stage : model.stages) {
    for (const ExternalId& external : stage.flows) {
      const bool served = std::any_of(
          model.systems.begin(), model.systems.end(),
          [&](const System& system) {
            return std::any_of(system.serves.begin(), system.serves.end(),
                               [&](const Service& service) {
                                 return service.external == external;
                               });
          });
      if (served || model.FindExternal(external) == nullptr) continue;
      problems.Error(
          stage.place,
          absl::StrCat("stage '", stage.id.str(), "' lets in '", external.str(),
                       "', which no system serves; "
                       "add it to the serves: of a system, or "
                       "remove it here"));
    }
  }
  CheckJointStages(model, index, problems);
}

void CheckPeople(Draft& draft, Problems& problems) {
  Model& model = draft.model;
  if (model.systems.empty() && model.stages.empty() &&
      model.approvers.empty()) {
    // Hosts alone: isolating needs no quorum.
    if (!draft.has_default_gate) model.default_gate.approvals.clear();
    return;
  }
  if (model.approvers.empty()) {
    problems.Error({0, 1, 1},
                   "there are systems but no approvers, and no gate opens by "
                   "itself; add approvers: with the people who decide");
    return;
  }
  const absl::string_view unsaid = " (nobody said otherwise)";
  bool default_used = model.stages.empty() && !model.systems.empty();
  for (const Stage& stage : model.stages) {
    const auto gate = draft.gates.find(stage.id.str());
    if (gate == draft.gates.end()) {
      default_used = true;
      continue;
    }
    CheckQuorum(model, stage.gate, gate->second,
                absl::StrCat("gate '", stage.id.str(), "'"), "", problems);
  }
  if (draft.has_default_gate) {
    CheckQuorum(model, model.default_gate, draft.default_gate,
                "the gate under defaults", "", problems);
  } else if (default_used) {
    const Place place =
        model.stages.empty() ? Place{0, 1, 1} : model.stages[0].place;
    CheckQuorum(model, model.default_gate, place, "every gate", unsaid,
                problems);
  }
}

}  // namespace sluice::manifest
