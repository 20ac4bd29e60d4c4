#include "orchestrator/engine/turn.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "orchestrator/engine/connect.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/hand.h"
#include "orchestrator/engine/hosts.h"

namespace sluice::engine {

constexpr absl::Duration kTravel = absl::Seconds(30);

absl::Duration ChecksDeadline(const std::vector<PlannedCheck>& checks) {
  absl::Duration longest = absl::ZeroDuration();
  for (const PlannedCheck& check : checks) {
    const int attempts = std::max(1, check.spec.attempts);
    longest += attempts * (check.spec.timeout + check.spec.between);
  }
  return longest + kTravel;
}

Gate& Turn::gate_of(int step) {
  return world.run->gates[plan().step(step).stage];
}

OrderKey Turn::Send(const HostId& host, OrderKind what, absl::Duration deadline,
                    Pending meta) {
  const OrderKey key{stamp.sequence,
                     static_cast<int>(output_.commands.size() + unsent_)};
  const std::string run = world.run.has_value() ? world.run->id.str() : "-";
  // Two orchestrators that go on from one journal, or one from a journal that
  // lost its end, count the same numbers: what came before tells them apart, or
  // an agent would take an order for the repeat of another (S5, S8).
  constexpr size_t kEnough = 8;
  meta.order.id = OrderId(
      absl::StrCat(run, ":", ShortDigest(stamp.journal_head).substr(0, kEnough),
                   "/", key.sequence, "/", key.index));
  meta.order.host = host;
  meta.order.deadline = deadline;
  meta.order.what = std::move(what);
  meta.sent = now();
  meta.deadline = absl::InfiniteFuture();
  world.orders.emplace(key, std::move(meta));
  Host& to = world.hosts[host];
  to.pending.insert(key);
  if (to.manual) {
    ++unsent_;
    SendByHand(key);
  } else if (to.connected()) {
    SendAgain(key);
  } else {
    ++unsent_;  // its index stays its own
  }
  return key;
}

void Turn::SendByHand(const OrderKey& key) {
  // Under the plan that gave it: another may be in force when it is told.
  DescribeByHand(*this, &world.orders.at(key));
  by_hand_.push_back(key);
}

void Turn::SendAgain(const OrderKey& key) {
  const auto it = world.orders.find(key);
  if (it == world.orders.end()) return;
  SetOrderDeadline(key, now() + it->second.order.deadline);
  output_.commands.push_back(it->second.order);
}

void Turn::Say(std::string kind, std::string who, std::string text) {
  output_.commands.push_back(
      Announce{std::move(kind), std::move(who), std::move(text)});
}

void Turn::SetOrderDeadline(const OrderKey& key, absl::Time deadline) {
  const auto it = world.orders.find(key);
  if (it == world.orders.end()) return;
  world.order_timers.erase({it->second.deadline, key});
  it->second.deadline = deadline;
  if (deadline != absl::InfiniteFuture()) {
    world.order_timers.insert({deadline, key});
  }
}

void Turn::Forget(const OrderKey& key) {
  if (world.orders.contains(key)) Take(key);
}

Pending Turn::Take(const OrderKey& key) {
  auto taken = world.orders.extract(key);
  Pending pending = std::move(taken.mapped());
  world.order_timers.erase({pending.deadline, key});
  Host& host = world.hosts[pending.order.host];
  host.pending.erase(key);
  host.isolation_orders.erase(key);
  if (pending.by_hand.has_value()) SettleByHand(*this, pending);
  return pending;
}

void Turn::ForgetAll(OrderSet* keys) {
  for (const OrderKey& key : *keys) Forget(key);
  keys->clear();
}

void Turn::NoteReleased(int stage, absl::Duration asked) {
  output_.released.push_back({plan().planned_stage(stage).id, asked});
}

void Turn::NoteProgress(int number, Progress::What what) {
  output_.progress.push_back({plan().planned(number).id, what});
}

void Turn::Enter(int number, Phase phase) {
  Step& entered = step(number);
  const bool probing = In<Probing>(entered);
  const bool working = probing || In<Connecting>(entered);
  entered.phase = std::move(phase);
  if (In<Connecting>(entered)) {
    NoteProgress(number, Progress::What::kBegun);
  } else if (probing && In<Soaking>(entered)) {
    NoteProgress(number, Progress::What::kHealthy);
  } else if (working && !In<Probing>(entered)) {
    NoteProgress(number, Progress::What::kStopped);
  }
  entered.since = now();
  Refile(number);
  SetTimer(number, absl::InfiniteFuture());
  Touch(number);
}

void Turn::SetStop(int number, Stop stop, std::string reason) {
  const bool working =
      In<Connecting>(step(number)) || In<Probing>(step(number));
  if (working && stop != Stop::kNone) {
    NoteProgress(number, Progress::What::kStopped);
  }
  step(number).stop = stop;
  Refile(number);
  step(number).reason = std::move(reason);
  Touch(number);
}

// Among its gate's steps that rest or isolate, or neither.
void Turn::Refile(int number) {
  const int stage = plan().step(number).stage;
  if (stage < 0) return;
  Gate& gate = world.run->gates[stage];
  const Step& filed = step(number);
  const bool free = filed.stop == Stop::kNone;
  const auto file = [number](std::set<int>* in, bool is_in) {
    if (is_in) {
      in->insert(number);
    } else {
      in->erase(number);
    }
  };
  file(&gate.resting, free && In<Quarantined>(filed));
  file(&gate.isolating, free && In<Isolating>(filed));
}

void Turn::SetTimer(int number, absl::Time at) {
  Step& timed = step(number);
  world.step_timers.erase({timed.timer, number});
  timed.timer = at;
  if (at != absl::InfiniteFuture()) world.step_timers.insert({at, number});
}

void Turn::SetHostTimer(const HostId& id, absl::Time at) {
  Host& host = world.hosts[id];
  world.host_timers.erase({host.absent_at, id});
  host.absent_at = at;
  if (at != absl::InfiniteFuture()) world.host_timers.insert({at, id});
}

void Turn::Touch(int number) {
  touched_steps_.insert(number);
  const StepInfo& info = plan().step(number);
  touched_steps_.insert(info.dependents.begin(), info.dependents.end());
  touched_steps_.insert(info.group.begin(), info.group.end());
  TouchGate(info.stage);
  for (const int other : info.dependents) TouchGate(plan().step(other).stage);
}

void Turn::TouchGate(int stage) {
  if (stage >= 0) touched_gates_.insert(stage);
}

void Turn::TouchAll() {
  if (!world.run.has_value()) return;
  for (int i = 0; i < plan().size(); ++i) touched_steps_.insert(i);
  for (int i = 0; i < plan().stages(); ++i) touched_gates_.insert(i);
}

void Turn::TouchAllAnew() {
  touched_steps_.clear();
  touched_gates_.clear();
  for (Gate& gate : world.run->gates) {
    gate.resting.clear();
    gate.isolating.clear();
  }
  for (int i = 0; i < plan().size(); ++i) Refile(i);
  TouchAll();
}

// A step has settled when nothing more happens to it by itself: it is back,
// it was stopped, or what it needs has settled without being healthy.
void Turn::RefreshSettled(int number) {
  Step& refreshed = step(number);
  const StepInfo& info = plan().step(number);
  auto dead = [&](int other) {
    return step(other).stop != Stop::kNone &&
           step(other).stop != Stop::kUnanswered;
  };
  bool settled = In<Reconnected>(refreshed) || dead(number);
  const bool at_rest = In<Quarantined>(refreshed) || In<Ready>(refreshed);
  if (!settled && at_rest && refreshed.stop == Stop::kNone) {
    for (const NeedInfo& need : info.needs) {
      const Step& needed = step(need.step);
      if (need.hard && needed.settled && !IsHealthy(needed)) settled = true;
    }
    settled = settled ||
              std::any_of(info.group.begin(), info.group.end(), dead) ||
              (In<Quarantined>(refreshed) && IsUnreachable(world, number));
  }
  if (settled == refreshed.settled) return;
  refreshed.settled = settled;
  for (const int other : info.dependents) Touch(other);
  if (info.stage < 0) return;
  Gate& gate = world.run->gates[info.stage];
  gate.unsettled += settled ? -1 : 1;
  // A later stage's turn may have come, or be over.
  const bool turns = gate.unsettled == (settled ? 0 : 1);
  if (!turns) return;
  for (int i = info.stage; i < plan().stages(); ++i) TouchGate(i);
}

void Turn::Settle() {
  while (!by_hand_.empty() || !touched_steps_.empty() ||
         !touched_gates_.empty()) {
    if (!by_hand_.empty()) {
      for (const OrderKey& key : std::exchange(by_hand_, {})) {
        AskByHand(*this, key);
      }
      continue;
    }
    if (!world.run.has_value()) {
      touched_steps_.clear();
      touched_gates_.clear();
      return;
    }
    if (!touched_steps_.empty()) {
      const int number = *touched_steps_.begin();
      touched_steps_.erase(touched_steps_.begin());
      RefreshSettled(number);
      AdvanceStep(*this, number);
    } else {
      const int stage = *touched_gates_.begin();
      touched_gates_.erase(touched_gates_.begin());
      if (world.run->active) AdvanceGate(*this, stage);
    }
  }
}

}  // namespace sluice::engine
