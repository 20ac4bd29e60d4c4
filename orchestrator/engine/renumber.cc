#include "orchestrator/engine/renumber.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

class Numbers {
 public:
  Numbers(const PlanIndex& before, const PlanIndex& after) {
    for (int i = 0; i < before.size(); ++i) {
      steps_.push_back(after.FindStep(before.planned(i).id));
    }
    for (int i = 0; i < before.grants(); ++i) {
      grants_.push_back(after.FindGrant(before.grant(i).grant->id));
    }
  }

  int Step(int old) const { return old < 0 ? -1 : steps_[old]; }
  int Grant(int old) const { return old < 0 ? -1 : grants_[old]; }
  std::vector<int> Steps(const std::vector<int>& olds) const {
    std::vector<int> news;
    for (const int old : olds) {
      if (steps_[old] >= 0) news.push_back(steps_[old]);
    }
    return news;
  }
  std::set<int> Grants(const std::set<int>& olds) const {
    std::set<int> news;
    for (const int old : olds) {
      if (grants_[old] >= 0) news.insert(grants_[old]);
    }
    return news;
  }

 private:
  std::vector<int> steps_;
  std::vector<int> grants_;
};

// Where each of the run's gates stands from now on.
std::vector<int> MoveGates(Run* run, const PlanIndex& after,
                           const Numbers& numbers) {
  std::vector<Gate> gates(static_cast<size_t>(after.stages()));
  std::vector<int> places;
  for (int i = 0; i < after.stages(); ++i) {
    gates[i].id = after.planned_stage(i).id;
  }
  for (Gate& gate : run->gates) {
    int place = after.FindStage(gate.id);
    if (place < 0) {
      place = static_cast<int>(gates.size());
      gates.emplace_back();
    }
    places.push_back(place);
    gates[place] = std::move(gate);
  }
  for (size_t i = 0; i < gates.size(); ++i) {
    Gate& gate = gates[i];
    const bool in_plan = static_cast<int>(i) < after.stages();
    gate.current = false;
    gate.unsettled =
        in_plan ? static_cast<int>(after.stage(static_cast<int>(i)).size()) : 0;
    if (gate.forming.has_value()) {
      gate.forming->steps = numbers.Steps(gate.forming->steps);
    }
    for (auto& [number, round] : gate.released) {
      round.steps = numbers.Steps(round.steps);
    }
  }
  run->gates = std::move(gates);
  return places;
}

void MoveSteps(Turn& turn, const PlanIndex& after, const Numbers& numbers,
               const std::vector<int>& places) {
  Run& run = turn.run();
  std::vector<Step> steps(static_cast<size_t>(after.size()));
  for (Step& step : steps) step.since = turn.now();
  for (size_t i = 0; i < run.steps.size(); ++i) {
    const int number = numbers.Step(static_cast<int>(i));
    if (number < 0) continue;
    Step& step = steps[number];
    step = std::move(run.steps[i]);
    step.settled = false;
    if (step.gate >= 0) step.gate = places[step.gate];
    step.opened = numbers.Grants(step.opened);
    step.closed = numbers.Grants(step.closed);
    std::map<int, Late> late;
    for (auto& [grant, state] : step.late) {
      const int moved = numbers.Grant(grant);
      if (moved >= 0) late.emplace(moved, std::move(state));
    }
    step.late = std::move(late);
  }
  run.steps = std::move(steps);
  run.came_back = numbers.Steps(run.came_back);

  turn.world.step_timers.clear();
  for (int i = 0; i < after.size(); ++i) {
    const absl::Time timer = run.steps[i].timer;
    if (timer != absl::InfiniteFuture()) {
      turn.world.step_timers.insert({timer, i});
    }
  }
}

void MoveOrders(Turn& turn, const Numbers& numbers,
                const std::vector<int>& places) {
  std::vector<OrderKey> orphans;
  for (auto& [key, pending] : turn.world.orders) {
    const bool had_step = pending.step >= 0;
    const bool had_grant = pending.grant >= 0;
    pending.step = numbers.Step(pending.step);
    pending.grant = numbers.Grant(pending.grant);
    if (pending.gate >= 0) pending.gate = places[pending.gate];
    pending.steps = numbers.Steps(pending.steps);
    if ((had_step && pending.step < 0) || (had_grant && pending.grant < 0)) {
      orphans.push_back(key);
    }
  }
  for (const OrderKey& key : orphans) turn.Forget(key);
}

}  // namespace

void Renumber(Turn& turn, std::shared_ptr<const PlanIndex> after) {
  const Numbers numbers(turn.plan(), *after);
  const std::vector<int> places = MoveGates(&turn.run(), *after, numbers);
  MoveSteps(turn, *after, numbers, places);
  MoveOrders(turn, numbers, places);
  turn.run().index = std::move(after);
  turn.TouchAllAnew();
}

}  // namespace sluice::engine
