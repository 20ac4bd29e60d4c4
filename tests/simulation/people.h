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
  std::vector<RoleId> RolesOf(const OperatorId& by) const;
  absl::Duration Patience();

  World& world_;
  Random random_;
  bool diligent_ = false;
  bool finished_ = false;
  bool isolated_once_ = false;
  absl::Time isolated_at_;
  absl::Time pushed_at_;
  engine::View view_;
  std::map<std::string, std::string> bodies_;  // as they were shown
  // What is on its way, so that nobody answers the same thing at each look.
  std::map<std::pair<std::string, OperatorId>, absl::Time> busy_;
};

}  // namespace sluice::simulation
