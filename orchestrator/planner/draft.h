// A plan in the making: the model's names as numbers. Private to this room.
//
// Each phase of MakePlan() takes the draft as the phase before left it and
// adds one thing: steps and needs, then stages, then the order, then flows,
// then checks.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/model/model.h"
#include "orchestrator/planner/callable.h"
#include "orchestrator/planner/plan.h"

namespace sluice::planning {

// "city-utility.yaml:41:9: ", or nothing for a place that is nowhere.
std::string At(const Model& model, const Place& place);

struct DraftNeed {
  int step = 0;
  Strength strength = Strength::kHard;
  bool soaked = false;
  Place place;
};

struct DraftStep {
  StepId id;
  const System* system = nullptr;
  const External* external = nullptr;  // nullptr: the system itself
  const Port* port = nullptr;          // that the external enters
  std::vector<DraftNeed> needs;  // outside the joint group; sorted, merged
  std::vector<int> inside;       // hard needs inside the joint group
  int joint = -1;
  int stage = -1;
  Place place;
};

struct Draft {
  struct Stage {
    StageId id;
    GateRule gate;
  };

  const Model* model = nullptr;
  absl::flat_hash_map<HostId, const Host*> hosts;
  absl::flat_hash_map<SystemId, const System*> systems;
  absl::flat_hash_map<ExternalId, const External*> externals;

  std::vector<DraftStep> steps;                // sorted by id
  absl::flat_hash_map<SystemId, int> step_of;  // of the systems themselves
  std::vector<std::vector<int>> joint;         // steps of each group, sorted
  std::vector<Stage> stages;
  std::vector<int> order;  // steps, what comes first first
};

// Steps, their needs and joint groups.
absl::StatusOr<Draft> DraftSteps(const Model& model);

// Stages and which step is in which. An order that contradicts the hard needs
// is an error.
absl::Status AssignStages(Draft& draft);

// The order in which steps would come back: by stage, then what is needed
// first, then by priority, then by id. A cycle is an error.
absl::Status OrderSteps(Draft& draft);

// Every need, entry and peer port as flows between hosts; sorted by id.
// `opened_by[step]` gets the ids of the grants that the step opens.
struct Grants {
  std::vector<PlannedGrant> grants;
  std::vector<std::vector<GrantId>> opened_by;
};
absl::StatusOr<Grants> ResolveGrants(const Draft& draft);

// Flows that quarantine keeps on each host, both ends.
absl::StatusOr<std::vector<PlannedHost>> ResolveHosts(const Draft& draft);

// Fills a step's checks and tasks, ports as numbers.
class CheckResolver {
 public:
  CheckResolver(const Draft& draft, const std::vector<PlannedGrant>& grants);
  absl::Status Resolve(const DraftStep& step, PlannedStep& planned) const;

 private:
  std::string DeclaredPorts(const System& system) const;

  const Draft& draft_;
  // What may listen on a host: every port of every system there, and the
  // ports of vital flows that come in.
  absl::flat_hash_map<HostId, std::vector<Port::Range>> declared_;
  std::optional<Callable> callable_;  // where an inspection asks for it
};

// The digests of the stages and of the whole plan, which has all else by now.
void SealPlan(Plan& plan);

}  // namespace sluice::planning
