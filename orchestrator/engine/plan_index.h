// A plan by numbers: what the engine asks of it at every event, looked up once.
//
// Steps are numbered in the plan's order, so that walking them by number is
// walking them by what comes first, and by priority where there is a choice.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "orchestrator/planner/plan.h"

namespace sluice::engine {

struct NeedInfo {
  int step = 0;
  bool hard = true;
  bool soaked = false;
};

struct GrantInfo {
  const PlannedGrant* grant = nullptr;
  int owner = -1;   // the step that opens it
  int target = -1;  // the step of the system it reaches; -1: an external
  bool hard = true;
  bool from_outside = false;
  std::vector<HostId> servers;  // sorted
  std::vector<HostId> clients;  // sorted
};

struct StepInfo {
  const PlannedStep* step = nullptr;
  int stage = -1;
  bool entry = false;
  // Of the step and of its joint group, without those inside the group: a
  // group counts as one wherever order is concerned.
  std::vector<NeedInfo> needs;
  std::vector<int> dependents;       // that need this one, hard or soft; sorted
  std::vector<int> hard_dependents;  // sorted
  std::vector<int> group;            // the others of its joint group; sorted
  std::vector<int> grants;           // that it opens; sorted
  bool soft = false;                 // some of them for soft needs
  std::vector<int> touching;         // its own and all that reach its system
  std::vector<HostId> all_hosts;     // its own and its grants'; sorted
  // An entry runs the checks of the system it enters.
  const std::vector<PlannedCheck>* health = nullptr;
};

struct TaskInfo {
  const PlannedTask* task = nullptr;
  int step = 0;
  bool accept = false;
};

class PlanIndex {
 public:
  explicit PlanIndex(std::shared_ptr<const Plan> plan);

  const Plan& plan() const { return *plan_; }
  int size() const { return static_cast<int>(steps_.size()); }
  const StepInfo& step(int number) const { return steps_[number]; }
  const PlannedStep& planned(int number) const { return *steps_[number].step; }
  const std::string& name(int number) const {
    return steps_[number].step->id.str();
  }
  const GrantInfo& grant(int number) const { return grants_[number]; }
  int grants() const { return static_cast<int>(grants_.size()); }
  // The steps of a stage, in the plan's order.
  const std::vector<int>& stage(int number) const { return stages_[number]; }
  int stages() const { return static_cast<int>(stages_.size()); }
  const PlannedStage& planned_stage(int number) const {
    return plan_->stages[number];
  }

  int FindStep(const StepId& id) const;      // -1: none
  int FindSystem(const SystemId& id) const;  // its own step; -1: none
  int FindStage(const StageId& id) const;    // -1: none
  int FindGrant(const GrantId& id) const;    // -1: none
  const TaskInfo* FindTask(const TaskId& id) const;
  const std::map<TaskId, TaskInfo>& tasks() const { return tasks_; }

  // Steps whose own host this is; those whose grants pass its fence too.
  const std::vector<int>& StepsOn(const HostId& host) const;
  const std::vector<int>& StepsTouching(const HostId& host) const;

  // All that depend on `step` by hard needs, directly or not; sorted.
  std::vector<int> BlastRadius(int step) const;

 private:
  void IndexSteps();
  void IndexGrants();
  void IndexNeeds();
  void IndexGroups();
  void IndexTasks();

  std::shared_ptr<const Plan> plan_;
  std::vector<StepInfo> steps_;
  std::vector<GrantInfo> grants_;
  std::vector<std::vector<int>> stages_;
  std::map<TaskId, TaskInfo> tasks_;
  absl::flat_hash_map<StepId, int> step_numbers_;
  absl::flat_hash_map<SystemId, int> system_numbers_;
  absl::flat_hash_map<GrantId, int> grant_numbers_;
  absl::flat_hash_map<HostId, std::vector<int>> steps_on_;
  absl::flat_hash_map<HostId, std::vector<int>> steps_touching_;
  std::vector<int> none_;
};

}  // namespace sluice::engine
