// The plan: everything resolved and ordered, so that whoever executes it makes
// no choices. Immutable; made from a Model by MakePlan(); the same bytes and
// digests whatever the order of keys, files or hosts in the source.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/flow.h"
#include "common/ids.h"
#include "common/release_order.h"
#include "common/verdict.h"
#include "orchestrator/model/model.h"

namespace sluice {

// One flow and the hosts whose fences it passes. An external's end has no
// host (empty id).
struct HostFlow {
  HostId client;
  HostId server;
  Flow flow;
  // Barriers on its path (`behind` in the manifest), whose fences forward it;
  // sorted. They open with the server's end.
  std::vector<HostId> through;
};

// One need, or one external's way in: the unit that opens and closes.
struct PlannedGrant {
  GrantId id;  // "billing-engine>billing-db:postgres", "citizens>portal:https"
  SystemId client_system;      // empty: an external comes in
  ExternalId client_external;  // empty: a system is the client
  SystemId server_system;      // empty: an external is reached
  ExternalId server_external;
  Strength strength = Strength::kHard;
  std::vector<HostFlow> flows;  // sorted
};

struct PlannedCheck {
  CheckId id;
  CheckSpec spec;  // ports are numbers
};

struct PlannedTask {
  TaskId id;
  std::string what;
  RoleId owner;
};

// What a step waits for before its flows may open (S1).
struct StepNeed {
  StepId step;
  Strength strength = Strength::kHard;
  // An external comes in only after the system it enters passed its soak.
  bool soaked = false;
};

// A system, or the entry of one external into one port of a system.
struct PlannedStep {
  StepId id;
  SystemId system;      // an entry: the system entered
  ExternalId external;  // empty: this step is the system itself
  std::string title;
  std::string category;
  Priority priority = Priority::kNormal;
  StageId stage;
  std::vector<HostId> hosts;       // sorted; of the system
  int enough = 1;                  // 1..hosts.size()
  std::vector<StepNeed> needs;     // sorted by step
  std::vector<StepId> dependents;  // direct, hard; sorted
  std::vector<GrantId> grants;     // opened by this step; sorted
  // Checks run on every host of the step. An entry has none of its own but
  // runs the system's health.
  std::vector<PlannedCheck> inspect;
  std::vector<PlannedTask> inspect_tasks;
  std::vector<PlannedCheck> health;
  std::vector<PlannedCheck> watch;
  std::vector<PlannedTask> accept_tasks;
  std::string start_unit;
  std::string stop_unit;
  absl::Duration soak;
  absl::Duration lease;
  absl::Duration watch_every;
  absl::Duration expected;   // connecting and probing; zero: nobody said
  absl::Duration wanted_by;  // from the run's start; zero: nobody said
  OnFailure on_failure = OnFailure::kIsolateDependents;
  bool is_protected = false;
  int joint_group = -1;  // index, or none
};

struct PlannedStage {
  StageId id;
  std::vector<StepId> steps;  // in the order they would come back
  GateRule gate;
  std::string digest;  // steps, flows, checks, gate
};

struct PlannedHost {
  HostId id;
  std::vector<Prefix> addresses;
  // What quarantine keeps: its own, and as a barrier, the vital and management
  // flows of the hosts behind it.
  std::vector<Flow> vital;
  std::vector<SystemId> systems;
  Grade grade = Grade::kKernel;
  HostId acting;  // whose agent acts for it; empty: its own
  Instructions instructions;  // of a manual point

  // Whether an agent obeys for it: its own, or that of `acting`.
  bool has_agent() const { return grade != Grade::kManual; }
  // Whose agent speaks for it.
  const HostId& speaker() const {
    return grade == Grade::kDriven ? acting : id;
  }
};

class Plan {
 public:
  EstateId estate;
  std::string title;
  Management management;
  std::vector<Approver> approvers;    // sorted by id
  std::vector<PlannedHost> hosts;     // sorted by id
  std::vector<PlannedGrant> grants;   // sorted by id
  std::vector<PlannedStep> steps;     // sorted by id
  std::vector<PlannedStage> stages;   // in the order they come
  std::vector<StepId> order;          // all steps, what comes first first
  std::vector<StepId> critical_path;  // longest by soak + expected
  absl::Duration critical_duration;
  absl::Duration wanted_by;  // the whole estate; zero: nobody said
  std::string digest;        // of all of the above

  const PlannedHost* FindHost(const HostId& id) const;
  const PlannedGrant* FindGrant(const GrantId& id) const;
  const PlannedStep* FindStep(const StepId& id) const;
  const PlannedStage* FindStage(const StageId& id) const;
  const Approver* FindApprover(const OperatorId& id) const;

  // All that opens on `host` when `steps` open, by grant.
  std::map<GrantId, std::vector<Flow>> FlowsOn(
      const HostId& host, const std::vector<StepId>& steps) const;
  // Every host whose fence changes when `steps` open, or that runs their
  // checks; sorted.
  std::vector<HostId> HostsOf(const std::vector<StepId>& steps) const;
  // The steps that depend on `step` by hard needs, directly or not, entries
  // among them; sorted, itself not among them.
  std::vector<StepId> BlastRadius(const StepId& step) const;
};

// REQUIRES: `model` has no error (see manifest room). What only planning can
// find (a stage order that contradicts the needs) is an error here.
absl::StatusOr<std::shared_ptr<const Plan>> MakePlan(const Model& model);

}  // namespace sluice
