#include "orchestrator/engine/failure.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/isolation.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/peers.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

OrderSet* WaitingOf(Phase& phase) {
  return std::visit(
      [](auto& state) -> OrderSet* {
        if constexpr (requires { state.waiting; }) {
          return &state.waiting;
        } else {
          return nullptr;
        }
      },
      phase);
}

bool IsOpening(const Step& step) {
  return In<Connecting>(step) || In<Probing>(step);
}

// S1: what depends on a step that is not well must not go on opening.
void AddOpeningDependents(Turn& turn, int failed, const std::string& why,
                          std::map<int, Reasoned>* steps) {
  for (const int other : turn.plan().BlastRadius(failed)) {
    if (IsOpening(turn.step(other))) {
      steps->try_emplace(other, Reasoned{Stop::kNone, why});
    }
  }
}

// A grant that another step opened to a system that is being isolated.
void LoseGrant(Turn& turn, int owner, int grant, const std::string& server,
               bool isolated_too) {
  Step& step = turn.step(owner);
  step.opened.erase(grant);
  if (const auto it = step.late.find(grant); it != step.late.end()) {
    turn.ForgetAll(&it->second.waiting);
    step.late.erase(it);
  }
  if (isolated_too) return;
  const GrantInfo& info = turn.plan().grant(grant);
  if (!info.hard) {
    step.closed.insert(grant);
    step.notes.push_back(
        absl::StrCat("its soft need of ", server, " was closed when ", server,
                     " was isolated; `sluice retry ", turn.plan().name(owner),
                     "` closes it and asks its gate for all of it"));
    return;
  }
  step.lost_grants = true;
  if (step.stop != Stop::kNone) return;
  HoldStep(turn, owner, Stop::kFailed,
           absl::StrCat("its flow to ", server, " was closed when ", server,
                        " was isolated"));
}

struct Withdrawal {
  std::set<GrantId> grants;
  std::set<int> steps;
};

void AddWithdrawal(Turn& turn, int step, int owner, int grant,
                   std::map<HostId, Withdrawal>* by_host) {
  const GrantInfo& info = turn.plan().grant(grant);
  const Round* round = RoundOf(turn.run(), owner);
  for (const std::vector<HostId>* hosts : {&info.servers, &info.clients}) {
    for (const HostId& host : *hosts) {
      if (round != nullptr && !round->hosts.contains(host)) continue;
      (*by_host)[host].grants.insert(info.grant->id);
      (*by_host)[host].steps.insert(step);
    }
  }
}

void LeaveForQuarantine(Turn& turn, int number, const Reasoned& reason) {
  Step& step = turn.step(number);
  if (In<Inspecting>(step) || In<Ready>(step)) LeaveRound(turn, number);
  if (reason.stop != Stop::kNone || step.stop == Stop::kNone) {
    turn.SetStop(number, reason.stop, reason.why);
  }
}

// What its owner accepted is not what comes back next.
void ForgetAcceptance(Turn& turn, int number) {
  for (const PlannedTask& task : turn.plan().planned(number).accept_tasks) {
    turn.run().tasks.erase(task.id);
  }
}

std::string OutText(const Step& step, Out wanted_failed) {
  std::vector<std::string> texts;
  for (const auto& [host, part] : step.parts) {
    if (part.in) continue;
    if (wanted_failed == Out::kFailed && !part.failed) continue;
    texts.push_back(absl::StrCat("on ", host.str(), ": ", part.why));
  }
  return absl::StrJoin(texts, "; ");
}

// What a host that its step goes on without still holds of it, on the host and
// at its peers. One on its way into quarantine is closed whole.
void CloseBehind(Turn& turn, int number, const HostId& host,
                 const std::string& why) {
  Step& step = turn.step(number);
  const Host* state = turn.world.FindHost(host);
  if (state == nullptr || state->isolating.has_value()) return;
  ShutStepAtPeers(turn, number, host, why);
  Withdraw withdraw{{}, why};
  for (const int grant : step.opened) {
    const GrantInfo& info = turn.plan().grant(grant);
    const bool server_too =
        std::binary_search(info.servers.begin(), info.servers.end(), host);
    const bool client_too =
        std::binary_search(info.clients.begin(), info.clients.end(), host);
    if (server_too || client_too) withdraw.grants.push_back(info.grant->id);
  }
  if (withdraw.grants.empty()) return;
  step.withdrawn.insert(host);
  Pending meta;
  meta.purpose = Purpose::kWithdraw;
  turn.Send(host, std::move(withdraw), absl::Seconds(30), std::move(meta));
}

}  // namespace

void StopWaitingFor(Turn& turn, int number, OrderKey key) {
  Step& step = turn.step(number);
  if (OrderSet* waiting = WaitingOf(step.phase)) waiting->erase(key);
  for (auto& [grant, late] : step.late) late.waiting.erase(key);
  turn.Touch(number);
}

void ForgetStepOrders(Turn& turn, int number) {
  Step& step = turn.step(number);
  if (!In<Isolating>(step)) {
    if (OrderSet* waiting = WaitingOf(step.phase)) turn.ForgetAll(waiting);
  }
  for (auto& [grant, late] : step.late) {
    if (late.waiting.empty()) continue;
    turn.ForgetAll(&late.waiting);
    // What was asked and not answered is not done: its grant begins anew.
    late.stage = Late::Stage::kServers;
  }
}

void IsolateSteps(Turn& turn, const std::map<int, Reasoned>& steps) {
  std::map<HostId, Withdrawal> by_host;
  for (const auto& [number, reason] : steps) {
    Step& step = turn.step(number);
    if (!IsOpenOrLive(step) && !In<Isolating>(step)) continue;
    ForgetStepOrders(turn, number);
    for (const int grant : step.opened) {
      AddWithdrawal(turn, number, number, grant, &by_host);
    }
    if (turn.plan().step(number).entry) continue;
    for (const int grant : turn.plan().step(number).touching) {
      const int owner = turn.plan().grant(grant).owner;
      if (owner < 0 || owner == number) continue;
      if (!turn.step(owner).opened.contains(grant)) continue;
      AddWithdrawal(turn, number, owner, grant, &by_host);
      const bool too = steps.contains(owner);
      if (too) {
        // Its own turn withdraws it as well; both wait for it.
        continue;
      }
      LoseGrant(turn, owner, grant, turn.plan().name(number), false);
    }
  }

  std::map<int, OrderSet> waiting;
  for (const auto& [host, withdrawal] : by_host) {
    // A host on its way into quarantine closes everything by that.
    const Host* state = turn.world.FindHost(host);
    if (state == nullptr || state->isolating.has_value()) continue;
    const int first = *withdrawal.steps.begin();
    const auto reason = steps.find(first);
    Pending meta;
    meta.purpose = Purpose::kWithdraw;
    meta.steps = {withdrawal.steps.begin(), withdrawal.steps.end()};
    const OrderKey key =
        turn.Send(host,
                  Withdraw{{withdrawal.grants.begin(), withdrawal.grants.end()},
                           reason == steps.end() ? "" : reason->second.why},
                  absl::Seconds(30), std::move(meta));
    for (const int number : withdrawal.steps) waiting[number].insert(key);
  }

  for (const auto& [number, reason] : steps) {
    Step& step = turn.step(number);
    if (!IsOpenOrLive(step) && !In<Isolating>(step)) {
      LeaveForQuarantine(turn, number, reason);
      continue;
    }
    OrderSet wait = waiting[number];
    for (const auto& [host, part] : step.parts) {
      const Host* own = turn.world.FindHost(host);
      if (own == nullptr) continue;
      if (own->isolating.has_value()) {
        AwaitIsolation(turn, host, number, &wait);
      } else if (step.watched) {
        turn.Send(host, Watch{turn.plan().planned(number).id, {}, {}},
                  absl::Seconds(30), Pending{});
      }
    }
    if (In<Isolating>(step)) {
      const OrderSet& before = std::get<Isolating>(step.phase).waiting;
      wait.insert(before.begin(), before.end());
    }
    ForgetAcceptance(turn, number);
    step.opened.clear();
    step.late.clear();
    step.watched = false;
    step.lost_grants = false;
    turn.Enter(number, Isolating{std::move(wait)});
    // Members of its joint group that have not begun wait for it.
    for (const int other : turn.plan().step(number).group) {
      const Step& member = turn.step(other);
      if (In<Inspecting>(member) || In<Ready>(member)) LeaveRound(turn, other);
    }
    if (reason.stop != Stop::kNone || step.stop == Stop::kNone) {
      turn.SetStop(number, reason.stop, reason.why);
    }
  }
}

void HoldStep(Turn& turn, int number, Stop stop, const std::string& why) {
  Step& step = turn.step(number);
  if (In<Inspecting>(step) || In<Ready>(step)) LeaveRound(turn, number);
  if (IsOpening(step)) ForgetStepOrders(turn, number);
  turn.SetStop(number, stop, why);
  turn.SetTimer(number, absl::InfiniteFuture());
  const std::string& name = turn.plan().name(number);
  turn.Say("hold", name,
           absl::StrCat(
               name, " holds: ", why, ". `sluice retry ", name, "` tries again",
               IsOpenOrLive(step)
                   ? absl::StrCat(", `sluice isolate ", name, "` closes it")
                   : std::string()));
  std::map<int, Reasoned> opening;
  AddOpeningDependents(turn, number,
                       absl::StrCat(name, ", which it needs, holds: ", why),
                       &opening);
  if (!opening.empty()) IsolateSteps(turn, opening);
}

void FailStep(Turn& turn, int number, Stop stop, const std::string& why) {
  const PlannedStep& planned = turn.plan().planned(number);
  if (planned.on_failure == OnFailure::kHold && stop == Stop::kFailed) {
    HoldStep(turn, number, stop, why);
    return;
  }
  const std::string& name = turn.plan().name(number);
  // "isolated by duty-commander: …" reads on by itself.
  const char* verb = stop == Stop::kFailed ? " failed: "
                     : stop == Stop::kNone ? " goes back to its gate: "
                     : absl::StartsWith(why, "isolated by ") ? " was "
                                                             : " was isolated ";
  const std::string because = absl::StrCat(name, verb, why);
  std::map<int, Reasoned> steps = {{number, {stop, why}}};
  // A joint group comes back together and fails together.
  for (const int other : turn.plan().step(number).group) {
    steps.emplace(other, Reasoned{Stop::kNone, because});
  }
  std::vector<std::string> taken;
  if (planned.on_failure != OnFailure::kIsolate) {
    for (const int other : turn.plan().BlastRadius(number)) {
      if (!IsOpenOrLive(turn.step(other))) continue;
      steps.emplace(other, Reasoned{Stop::kNone, because});
    }
  }
  AddOpeningDependents(turn, number, because, &steps);
  for (const auto& [other, reason] : steps) {
    if (other != number && IsOpenOrLive(turn.step(other))) {
      taken.push_back(turn.plan().name(other));
    }
  }
  turn.Say(
      stop == Stop::kIsolated ? "isolation" : "failure", name,
      taken.empty()
          ? because
          : absl::StrCat(because, "; isolated with it: ", NameList(taken)));
  IsolateSteps(turn, steps);
}

void TakeHostOut(Turn& turn, int number, const HostId& host, Out out,
                 const std::string& why) {
  Step& step = turn.step(number);
  const auto it = step.parts.find(host);
  if (it == step.parts.end() || !it->second.in) return;
  it->second = {false, out == Out::kFailed || out == Out::kIsolated, why};
  turn.Touch(number);
  std::erase_if(step.doubtful,
                [&](const auto& entry) { return entry.first.first == host; });
  if (OrderSet* waiting = WaitingOf(step.phase)) {
    for (auto key = waiting->begin(); key != waiting->end();) {
      const auto order = turn.world.orders.find(*key);
      const bool there = order != turn.world.orders.end() &&
                         order->second.order.host == host &&
                         order->second.purpose != Purpose::kIsolate &&
                         order->second.purpose != Purpose::kWithdraw;
      if (there) turn.Forget(*key);
      key = there ? waiting->erase(key) : std::next(key);
    }
  }
  if (step.stop != Stop::kNone || In<Isolating>(step)) return;

  if (HostsIn(step) < turn.plan().planned(number).enough) {
    const bool failed =
        std::any_of(step.parts.begin(), step.parts.end(),
                    [](const auto& entry) { return entry.second.failed; });
    const std::string text =
        OutText(step, failed ? Out::kFailed : Out::kAbsent);
    if (failed) {
      FailStep(turn, number,
               out == Out::kIsolated ? Stop::kIsolated : Stop::kFailed, text);
    } else if (out == Out::kInconclusive) {
      HoldStep(turn, number, Stop::kInconclusive, text);
    } else {
      FailStep(turn, number, Stop::kNone, text);
    }
    return;
  }
  turn.Say("failure", host.str(),
           absl::StrCat(turn.plan().name(number), " goes on without ",
                        host.str(), ": ", why));
  CloseBehind(turn, number, host, why);
}

void FailHost(Turn& turn, const HostId& host, int number,
              const std::string& why) {
  const std::string text = absl::StrCat("on ", host.str(), ": ", why);
  if (turn.plan().planned(number).on_failure == OnFailure::kHold) {
    HoldStep(turn, number, Stop::kFailed, text);
    return;
  }
  turn.Say("isolation", host.str(),
           absl::StrCat(host.str(), " is isolated: ", why));
  IsolateHosts(turn, {host}, Stop::kFailed, why);
}

}  // namespace sluice::engine
