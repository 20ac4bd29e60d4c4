// One Step() of the engine in progress: the state, the moment, and what comes
// out. The rooms of the engine (gates, hosts, failures, …) are functions over
// it; each says in its header what it owns.

#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/time/time.h"
#include "orchestrator/engine/state.h"

namespace sluice::engine {

using OrderKind = decltype(Order::what);

class Turn {
 public:
  Turn(World& world, const Stamp& stamp, Output& output)
      : world(world), stamp(stamp), output_(output) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  World& world;
  const Stamp& stamp;

  absl::Time now() const { return world.now; }
  // REQUIRES: there is a run.
  Run& run() { return *world.run; }
  const PlanIndex& plan() { return *world.run->index; }
  Step& step(int number) { return world.run->steps[number]; }
  Gate& gate_of(int step);

  // ── out ──────────────────────────────────────────────────────────────────

  // Remembers the order until its report, and sends it if the host is
  // connected (otherwise it leaves when the agent comes back).
  OrderKey Send(const HostId& host, OrderKind what, absl::Duration deadline,
                Pending meta);
  // The order goes to people, or is answered for them, before the turn ends.
  void SendByHand(const OrderKey& key);
  // Sends an outstanding order again, with a deadline of its own.
  void SendAgain(const OrderKey& key);
  void Say(std::string kind, std::string who, std::string text);
  // People released a gate that had asked for so long.
  void NoteReleased(int stage, absl::Duration asked);

  // ── orders ───────────────────────────────────────────────────────────────

  // Forgets an order: answered, or no longer wanted.
  void Forget(const OrderKey& key);
  // The same, for who needs it once more. REQUIRES: it is outstanding.
  Pending Take(const OrderKey& key);
  void ForgetAll(OrderSet* keys);
  void SetOrderDeadline(const OrderKey& key, absl::Time deadline);

  // ── steps and gates ──────────────────────────────────────────────────────

  // Enters a phase now; who depends on the step looks again.
  void Enter(int step, Phase phase);
  void SetStop(int step, Stop stop, std::string reason);
  void SetTimer(int step, absl::Time at);
  void SetHostTimer(const HostId& host, absl::Time at);
  // Something a step, or what needs it, may have waited for has changed.
  void Touch(int step);
  void TouchGate(int stage);
  void TouchAll();
  // The numbers mean other steps and gates from here on.
  void TouchAllAnew();

  // Lets everything touched go on, until nothing does.
  void Settle();

 private:
  void RefreshSettled(int step);
  void Refile(int step);
  void NoteProgress(int step, Progress::What what);

  Output& output_;
  absl::btree_set<int> touched_steps_;
  absl::btree_set<int> touched_gates_;
  std::vector<OrderKey> by_hand_;  // orders that go to people; see hand.h
  size_t unsent_ = 0;  // orders that wait for their agent
};

// How long the checks may take on a host, and some more for the way.
absl::Duration ChecksDeadline(const std::vector<PlannedCheck>& checks);

}  // namespace sluice::engine
