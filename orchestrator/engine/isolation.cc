#include "orchestrator/engine/isolation.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "orchestrator/engine/failure.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/orders.h"
#include "orchestrator/engine/peers.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

constexpr absl::Duration kIsolateDeadline = absl::Seconds(15);
// A refused or failed closing is ordered anew after this long.
constexpr absl::Duration kCloseAgain = absl::Seconds(10);

using Scope = IsolationOrdered::Scope;

// A new order for what this one asks: a repeat would get the same answer again.
void OrderAnew(Turn& turn, OrderKey key, const OrderKind& what) {
  const Pending& old = turn.world.orders.at(key);
  Pending meta;
  meta.purpose = old.purpose;
  meta.steps = old.steps;
  const HostId id = old.order.host;
  const bool asked = turn.world.hosts[id].isolation_orders.contains(key);
  turn.Forget(key);
  const OrderKey again = turn.Send(id, what, kIsolateDeadline, std::move(meta));
  Host& host = turn.world.hosts[id];
  if (asked) host.isolation_orders.insert(again);
  if (host.isolating == key) host.isolating = again;
  if (!turn.world.run.has_value()) return;
  for (const int number : turn.world.orders.at(again).steps) {
    auto* isolating = std::get_if<Isolating>(&turn.step(number).phase);
    if (isolating != nullptr && isolating->waiting.erase(key) > 0) {
      isolating->waiting.insert(again);
    }
  }
}

void SendIsolate(Turn& turn, const HostId& id, const std::string& why,
                 const std::string& sensor_anew = "") {
  Host& host = turn.world.hosts[id];
  host.must_be_quarantined = true;
  host.isolation = turn.stamp.sequence;
  if (!host.isolating.has_value()) {
    Pending meta;
    meta.purpose = Purpose::kIsolate;
    host.isolating = turn.Send(id, IsolateHost{why, sensor_anew},
                               kIsolateDeadline, std::move(meta));
  } else if (!sensor_anew.empty()) {
    // The one on its way lets the sensor go on.
    OrderAnew(turn, *host.isolating, IsolateHost{why, sensor_anew});
  } else if (turn.world.orders.at(*host.isolating).failed) {
    // S5: whoever asks now does not wait for the next try.
    ClosingOverdue(turn, *host.isolating);
  }
  host.isolation_orders.insert(*host.isolating);
}

// Everything else that the host was asked to do is void now; withdrawals are
// done by the isolation itself.
void SupersedeOrders(Turn& turn, const HostId& id) {
  Host& host = turn.world.hosts[id];
  const OrderSet pending = host.pending;
  for (const OrderKey& key : pending) {
    const auto it = turn.world.orders.find(key);
    if (key == host.isolating || it == turn.world.orders.end() ||
        it->second.purpose == Purpose::kTrust) {
      continue;
    }
    if (it->second.purpose == Purpose::kWithdraw) {
      if (!host.isolating.has_value()) continue;
      for (const int number : it->second.steps) {
        Step& step = turn.step(number);
        if (auto* isolating = std::get_if<Isolating>(&step.phase)) {
          if (isolating->waiting.erase(key) > 0) {
            AwaitIsolation(turn, id, number, &isolating->waiting);
          }
        }
      }
      turn.Forget(key);
    } else {
      FailOrder(turn, key, "the host was isolated");
    }
  }
}

void VoidRounds(Turn& turn, const HostId& host, const std::string& why) {
  if (!turn.world.run.has_value()) return;
  for (int i = 0; i < static_cast<int>(turn.run().gates.size()); ++i) {
    Gate& gate = turn.run().gates[i];
    if (gate.forming.has_value() && gate.forming->hosts.contains(host) &&
        gate.forming->state == Round::State::kInspecting) {
      // Nothing has been put to anybody yet: the round goes on without it.
      gate.forming->hosts[host].out = why;
    } else if (gate.forming.has_value() && gate.forming->hosts.contains(host)) {
      VoidForming(turn, i, absl::StrCat(host.str(), " was isolated: ", why));
    }
    for (auto& [number, round] : gate.released) {
      const auto it = round.hosts.find(host);
      if (it != round.hosts.end()) it->second.is_void = true;
    }
  }
}

// S5: what a person isolates stays so until a person retries it.
void StopStepsOn(Turn& turn, const HostId& host, Stop stop,
                 const std::string& why) {
  for (const int number : turn.plan().StepsOn(host)) {
    Step& step = turn.step(number);
    if (step.parts.contains(host) && !In<Isolating>(step)) {
      TakeHostOut(turn, number, host,
                  stop == Stop::kIsolated ? Out::kIsolated : Out::kFailed, why);
      continue;
    }
    if (auto* isolating = std::get_if<Isolating>(&step.phase)) {
      AwaitIsolation(turn, host, number, &isolating->waiting);
    }
    const PlannedStep& planned = turn.plan().planned(number);
    const bool others_are_enough =
        static_cast<int>(planned.hosts.size()) - 1 >= planned.enough;
    // A host that has just joined is isolated so that it can take part.
    const Host* state = turn.world.FindHost(host);
    const bool joins = state != nullptr && state->never_isolated;
    if (stop == Stop::kIsolated && !others_are_enough && !joins) {
      turn.SetStop(number, stop, why);
    }
  }
}

void IsolateRun(Turn& turn, const std::string& why) {
  std::map<int, Reasoned> all;
  for (int i = 0; i < turn.plan().size(); ++i) {
    all.emplace(i, Reasoned{Stop::kIsolated, why});
  }
  for (int i = 0; i < turn.plan().stages(); ++i) {
    VoidForming(turn, i, why);
  }
  IsolateSteps(turn, all);
}

// The withdrawals of this turn are part of the isolation that caused them.
void MarkWithdrawals(Turn& turn) {
  const auto first =
      turn.world.orders.lower_bound(OrderKey{turn.stamp.sequence, 0});
  for (auto it = first; it != turn.world.orders.end(); ++it) {
    if (it->second.purpose != Purpose::kWithdraw) continue;
    Host& host = turn.world.hosts[it->second.order.host];
    host.isolation = turn.stamp.sequence;
    host.isolation_orders.insert(it->first);
  }
}

// Nothing is known of what is open where: these grants close on every fenced
// host that is an end of them.
void CloseGrants(Turn& turn, const PlanIndex& plan,
                 const std::vector<int>& grants, const std::string& why) {
  std::map<HostId, std::set<GrantId>> closed;
  for (const int grant : grants) {
    const GrantInfo& info = plan.grant(grant);
    for (const std::vector<HostId>* ends : {&info.servers, &info.clients}) {
      for (const HostId& id : *ends) {
        const Host* state = turn.world.FindHost(id);
        if (state == nullptr || !state->quarantined()) continue;
        if (state->isolating.has_value()) continue;
        closed[id].insert(info.grant->id);
      }
    }
  }
  for (const auto& [id, ids] : closed) {
    Pending meta;
    meta.purpose = Purpose::kWithdraw;
    turn.Send(id, Withdraw{{ids.begin(), ids.end()}, why}, kIsolateDeadline,
              std::move(meta));
  }
  MarkWithdrawals(turn);
}

void IsolateSystem(Turn& turn, const PlanIndex& plan, int number,
                   const std::string& why) {
  const PlannedStep& planned = plan.planned(number);
  std::vector<HostId> whole;
  std::vector<HostId> shared;
  for (const HostId& id : planned.hosts) {
    const PlannedHost* host = plan.plan().FindHost(id);
    const bool alone = host == nullptr || host->systems.size() <= 1;
    const Host* state = turn.world.FindHost(id);
    const bool open = state == nullptr || !state->quarantined();
    (alone || open ? whole : shared).push_back(id);
  }
  for (const HostId& id : whole) SendIsolate(turn, id, why);

  if (turn.world.run.has_value()) {
    for (const HostId& id : whole) VoidRounds(turn, id, why);
    FailStep(turn, number, Stop::kIsolated, why);
    for (const HostId& id : whole) {
      StopStepsOn(turn, id, Stop::kIsolated, why);
      SupersedeOrders(turn, id);
      ShutAtPeers(turn, turn.plan(), id, why);
    }
    MarkWithdrawals(turn);
    return;
  }
  CloseGrants(turn, plan, plan.step(number).touching, why);
}

// The name of this act of a person's; empty: the sensor goes on.
std::string BeginSensor(Turn& turn, const IsolationOrdered& event) {
  if (!event.sensor_anew) return "";
  constexpr size_t kEnough = 8;
  const std::string act =
      absl::StrCat(ShortDigest(turn.stamp.journal_head).substr(0, kEnough), "/",
                   turn.stamp.sequence);
  turn.world.hosts[event.host].sensor_anew = Host::SensorAnew{
      event.by, turn.now(), event.reason, act, turn.stamp.sequence};
  return act;
}

// S9: what was ordered of the sensor and was not done.
void SayUnlessBegun(Turn& turn, OrderKey key, const OrderReported& report) {
  const auto& what =
      std::get<IsolateHost>(turn.world.orders.at(key).order.what);
  if (what.sensor_anew.empty() ||
      what.sensor_anew == report.fence->sensor_anew) {
    return;
  }
  turn.Say("alarm", report.host.str(),
           absl::StrCat(report.host.str(),
                        "'s sensor goes on as it was: order it again with "
                        "`sluice isolate --host ",
                        report.host.str(),
                        " --sensor-anew`, unless its agent is too old for it"));
}

}  // namespace

void AwaitIsolation(Turn& turn, const HostId& host, int step,
                    OrderSet* waiting) {
  const Host* state = turn.world.FindHost(host);
  if (state == nullptr || !state->isolating.has_value()) return;
  waiting->insert(*state->isolating);
  std::vector<int>& steps = turn.world.orders.at(*state->isolating).steps;
  if (std::find(steps.begin(), steps.end(), step) == steps.end()) {
    steps.push_back(step);
  }
}

void IsolateHosts(Turn& turn, const std::vector<HostId>& hosts, Stop stop,
                  const std::string& why, const std::string& sensor_anew) {
  for (const HostId& id : hosts) SendIsolate(turn, id, why, sensor_anew);
  if (turn.world.run.has_value()) {
    for (const HostId& id : hosts) VoidRounds(turn, id, why);
    for (const HostId& id : hosts) StopStepsOn(turn, id, stop, why);
  }
  for (const HostId& id : hosts) SupersedeOrders(turn, id);
  // What the steps above did not withdraw whole.
  const std::shared_ptr<const PlanIndex> plan =
      turn.world.run.has_value() ? turn.run().index : turn.world.index;
  if (plan == nullptr) return;
  for (const HostId& id : hosts) ShutAtPeers(turn, *plan, id, why);
}

void VoidHost(Turn& turn, const HostId& host, const std::string& why) {
  if (!turn.world.run.has_value()) return;
  VoidRounds(turn, host, why);
  StopStepsOn(turn, host, Stop::kFailed, why);
  SupersedeOrders(turn, host);
  ShutAtPeers(turn, turn.plan(), host, why);
}

void ApplyIsolation(Turn& turn, const IsolationOrdered& event) {
  const World& world = turn.world;
  const PlanIndex& plan = *world.index;
  const std::string why =
      absl::StrCat("isolated by ", event.by.str(), Because(event.reason));
  // S5: the orders come first; whatever else follows from it comes after.
  switch (event.scope) {
    case Scope::kHost:
      IsolateHosts(turn, {event.host}, Stop::kIsolated, why,
                   BeginSensor(turn, event));
      MarkWithdrawals(turn);
      turn.Say("isolation", event.by.str(),
               absl::StrCat(event.host.str(), " is ", why,
                            event.sensor_anew ? "; its sensor begins anew, and "
                                                "what it held is kept"
                                              : ""));
      return;
    case Scope::kSystem:
      IsolateSystem(turn, plan, plan.FindSystem(event.system), why);
      turn.Say("isolation", event.by.str(),
               absl::StrCat(event.system.str(), " is ", why));
      return;
    case Scope::kAll:
    case Scope::kRun:
      break;
  }
  std::set<HostId> hosts;
  if (event.scope == Scope::kAll) {
    for (const PlannedHost& host : plan.plan().hosts) hosts.insert(host.id);
  } else {
    for (const PlannedStep& step : plan.plan().steps) {
      hosts.insert(step.hosts.begin(), step.hosts.end());
    }
  }
  for (const HostId& id : hosts) SendIsolate(turn, id, why);
  if (world.run.has_value()) {
    for (const HostId& id : hosts) VoidRounds(turn, id, why);
    IsolateRun(turn, why);
  }
  for (const HostId& id : hosts) SupersedeOrders(turn, id);
  turn.Say("isolation", event.by.str(),
           absl::StrCat(event.scope == Scope::kAll ? "every host" : "the run",
                        " (", Count(hosts.size(), "host"), ") is ", why));
}

void IsolationReported(Turn& turn, OrderKey key, const OrderReported& report) {
  Host& host = turn.world.hosts[report.host];
  const bool read_back = report.fence.has_value() &&
                         report.fence->mode == FenceSeen::Mode::kQuarantined;
  if (report.outcome != Outcome::kDone || !read_back) {
    // Told as it is, and ordered anew: never taken for isolated.
    turn.Say("alarm", report.host.str(),
             absl::StrCat(report.host.str(), " is not isolated: ",
                          report.reason.empty()
                              ? "its kernel does not show the fence"
                              : report.reason,
                          ". It is told again; cut it at the network"));
    turn.SetOrderDeadline(key, turn.now() + kCloseAgain);
    turn.world.orders.at(key).failed = true;
    return;
  }
  // S9: isolated, but with something to add: not written down on its disk.
  if (!report.reason.empty()) {
    turn.Say("alarm", report.host.str(),
             absl::StrCat(report.host.str(), " is isolated; ", report.reason));
  }
  SayUnlessBegun(turn, key, report);
  if (host.isolating == key) host.isolating.reset();
  const std::vector<int> steps = turn.world.orders.at(key).steps;
  turn.Forget(key);
  if (!turn.world.run.has_value()) return;
  for (const int number : steps) StopWaitingFor(turn, number, key);
}

void WithdrawalReported(Turn& turn, OrderKey key, const OrderReported& report) {
  const auto it = turn.world.orders.find(key);
  if (it == turn.world.orders.end()) return;
  if (report.outcome != Outcome::kDone) {
    turn.Say("alarm", report.host.str(),
             absl::StrCat(report.host.str(), " did not close what it was told",
                          Because(report.reason),
                          ". It is told again; `sluice isolate --host ",
                          report.host.str(), "` closes all of it"));
    turn.SetOrderDeadline(key, turn.now() + kCloseAgain);
    return;
  }
  const std::vector<int> steps = it->second.steps;
  turn.Forget(key);
  if (!turn.world.run.has_value()) return;
  for (const int number : steps) StopWaitingFor(turn, number, key);
}

void ClosingOverdue(Turn& turn, OrderKey key) {
  const auto it = turn.world.orders.find(key);
  if (it == turn.world.orders.end()) return;
  const OrderKind what = it->second.order.what;
  OrderAnew(turn, key, what);
}

std::vector<std::string> ProtectedIn(const World& world,
                                     const IsolationOrdered& event) {
  std::vector<std::string> names;
  if (world.plan == nullptr) return names;
  for (const PlannedStep& step : world.plan->steps) {
    if (!step.is_protected || !step.external.empty()) continue;
    const bool meant =
        event.scope == Scope::kAll || event.scope == Scope::kRun ||
        (event.scope == Scope::kSystem && step.system == event.system) ||
        (event.scope == Scope::kHost &&
         std::find(step.hosts.begin(), step.hosts.end(), event.host) !=
             step.hosts.end());
    if (meant) names.push_back(step.id.str());
  }
  return names;
}

std::string BlastText(const World& world, const IsolationOrdered& event) {
  const PlanIndex& plan = *world.index;
  std::set<int> roots;
  if (event.scope == Scope::kSystem) {
    roots.insert(plan.FindSystem(event.system));
  } else if (event.scope == Scope::kHost) {
    const std::vector<int>& on = plan.StepsOn(event.host);
    roots.insert(on.begin(), on.end());
  } else {
    for (int i = 0; i < plan.size(); ++i) roots.insert(i);
  }
  std::set<int> stopped;
  for (const int root : roots) {
    if (root < 0) continue;
    stopped.insert(root);
    const std::vector<int> radius = plan.BlastRadius(root);
    stopped.insert(radius.begin(), radius.end());
  }
  std::vector<std::string> systems;
  std::set<std::string> outside;
  for (const int number : stopped) {
    const PlannedStep& step = plan.planned(number);
    if (step.external.empty()) {
      systems.push_back(step.id.str());
    } else {
      outside.insert(step.external.str());
    }
  }
  std::string text = absl::StrCat("it stops ", NameList(systems, 8));
  if (!outside.empty()) {
    absl::StrAppend(&text, " for ",
                    NameList({outside.begin(), outside.end()}, 8));
  }
  return text;
}

}  // namespace sluice::engine
