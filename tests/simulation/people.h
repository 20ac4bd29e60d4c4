// The people of an estate: they isolate, start the run, look at it every few
// seconds and do what it asks of them, sooner or later. Faults make them
// worse; after the healing they are diligent.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/engine/event.h"
#include "orchestrator/engine/view.h"
#include "orchestrator/planner/plan.h"
#include "tests/simulation/random.h"

namespace sluice::simulation {

class World;

class People {
 public:
  People(World& world, uint64_t seed);

  void Begin();
  void BecomeDiligent();

  // What a person does now, as a request to the orchestrator.
  void Isolate(engine::IsolationOrdered::Scope scope, const SystemId& system,
               const HostId& host);
  void Ask(engine::Event event);
  void Decide(const OperatorId& by, const engine::GateView& gate, bool go);

  const engine::View& last_view() const { return view_; }
  // All that was asked of people is answered, and all is reconnected.
  bool finished() const { return finished_; }

  // ── what faults turn, in percent ──────────────────────────────────────────
  int refusing = 0;
  int twice = 0;
  absl::Duration slow;

 private:
  void LookAgain();
  void See(const engine::View& view, absl::Time now);
  void Answer(const engine::View& view);
  void Push(const engine::View& view);
  void WorkByHand(const engine::View& view);
  void Take(const engine::PointTaskView& task);
  void Say(const engine::PointTaskView& task, const OperatorId& by, bool done,
           const std::string& saw, absl::Duration wait);
  void LookInstead(const engine::View& view);
  std::vector<RoleId> RolesOf(const OperatorId& by) const;
  absl::Duration Patience(Random& random);

  World& world_;
  Random random_;
  Random hands_;  // what is drawn for work by hand changes nothing else
  bool diligent_ = false;
  bool finished_ = false;
  bool isolated_once_ = false;
  absl::Time isolated_at_;
  absl::Time pushed_at_;
  engine::View view_;
  absl::Time told_at_;                         // by the orchestrator's own time
  std::map<std::string, std::string> bodies_;  // as they were shown
  // What is on its way, so that nobody answers the same thing at each look.
  std::map<std::pair<std::string, OperatorId>, absl::Time> busy_;
  std::map<HostId, absl::Time> at_work_;  // at a point, until then
  std::map<StepId, absl::Time> looked_;
};

}  // namespace sluice::simulation
