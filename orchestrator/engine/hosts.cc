#include "orchestrator/engine/hosts.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/connect.h"
#include "orchestrator/engine/failure.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/isolation.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/orders.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

const FenceSeen::Release* FindRelease(const FenceSeen& fence,
                                      const std::string& digest) {
  for (const FenceSeen::Release& release : fence.releases) {
    if (release.digest == digest) return &release;
  }
  return nullptr;
}

bool IsOwnHost(Turn& turn, int number, const HostId& host) {
  const std::vector<HostId>& hosts = turn.plan().planned(number).hosts;
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

// What cannot go on with this host: without it, or not at all.
void Drop(Turn& turn, int number, const HostId& host, Stop stop,
          const std::string& why) {
  if (IsOwnHost(turn, number, host)) {
    TakeHostOut(turn, number, host,
                stop == Stop::kFailed ? Out::kFailed : Out::kAbsent, why);
  } else if (turn.step(number).stop == Stop::kNone) {
    FailStep(turn, number, stop, absl::StrCat("on ", host.str(), ": ", why));
  }
}

void TouchHost(Turn& turn, const HostId& id) {
  if (!turn.world.run.has_value()) return;
  for (const int number : turn.plan().StepsTouching(id)) turn.Touch(number);
}

// A run starts from hosts that hold nothing open: what is open in it and
// belongs to none of its release orders was opened by another hand.
std::string StrangeFlows(Turn& turn, const FenceSeen& fence) {
  if (!turn.world.run_active()) return "";
  const std::vector<Gate>& gates = turn.run().gates;
  const auto released = [&](const std::string& digest) {
    return std::any_of(gates.begin(), gates.end(), [&](const Gate& gate) {
      return std::any_of(
          gate.released.begin(), gate.released.end(),
          [&](const auto& entry) { return entry.second.digest == digest; });
    });
  };
  for (const FenceSeen::Release& release : fence.releases) {
    const bool live = release.lease_remaining > absl::ZeroDuration();
    const int open = release.standing_flows + (live ? release.leased_flows : 0);
    if (open == 0 || released(release.digest)) continue;
    return absl::StrCat(Count(static_cast<size_t>(open), "flow"),
                        " open that nobody released in this run");
  }
  return "";
}

bool HasClosingOrder(const World& world, const Host& host) {
  return std::any_of(
      host.pending.begin(), host.pending.end(), [&](const OrderKey& key) {
        const Purpose purpose = world.orders.at(key).purpose;
        return purpose == Purpose::kIsolate || purpose == Purpose::kWithdraw;
      });
}

// Standing flows do not depend on us: fewer than before means that the host
// lost them.
void CompareStanding(Turn& turn, const HostId& id, const FenceSeen& before,
                     const FenceSeen& after) {
  for (const FenceSeen::Release& release : before.releases) {
    const FenceSeen::Release* now = FindRelease(after, release.digest);
    const int standing = now == nullptr ? 0 : now->standing_flows;
    if (standing >= release.standing_flows) continue;
    for (const int number : turn.plan().StepsTouching(id)) {
      const Round* round = RoundOf(turn.run(), number);
      if (round == nullptr || round->digest != release.digest) continue;
      if (!In<Reconnected>(turn.step(number))) continue;
      Drop(turn, number, id, Stop::kFailed,
           absl::StrCat(id.str(), " came back without its standing flows (",
                        standing, " of ", release.standing_flows, ")"));
    }
  }
}

// A reboot voids evidence (S10); leased flows are gone with the old kernel.
void ApplyReboot(Turn& turn, const HostId& id) {
  const std::string why =
      absl::StrCat(id.str(), " rebooted, so its evidence is void");
  for (int i = 0; i < static_cast<int>(turn.run().gates.size()); ++i) {
    Gate& gate = turn.run().gates[i];
    if (gate.forming.has_value() && gate.forming->hosts.contains(id)) {
      VoidForming(turn, i, why);
    }
    for (auto& [number, round] : gate.released) {
      const auto it = round.hosts.find(id);
      if (it != round.hosts.end()) it->second.is_void = true;
    }
  }
  for (const int number : turn.plan().StepsTouching(id)) {
    const Step& step = turn.step(number);
    const Round* round = RoundOf(turn.run(), number);
    if (round == nullptr || round->state != Round::State::kReleased) continue;
    if (!round->hosts.contains(id)) continue;
    if (IsLive(step) || In<Ready>(step)) {
      Drop(turn, number, id, Stop::kNone, why);
    }
  }
}

bool HasOpenedOn(Turn& turn, int number, const HostId& host) {
  for (const int grant : turn.step(number).opened) {
    const GrantInfo& info = turn.plan().grant(grant);
    for (const std::vector<HostId>* ends : {&info.servers, &info.clients}) {
      if (std::binary_search(ends->begin(), ends->end(), host)) return true;
    }
  }
  return false;
}

// Flows closed only by a lost lease open again under the same release order,
// when inspections still pass (S3).
void ReopenOn(Turn& turn, const HostId& id, const std::string& digest,
              const std::string& why) {
  for (const int number : turn.plan().StepsTouching(id)) {
    const Step& step = turn.step(number);
    const Round* round = RoundOf(turn.run(), number);
    if (!IsLive(step) || round == nullptr || round->digest != digest) continue;
    if (!HasOpenedOn(turn, number, id)) continue;
    const auto part = step.parts.find(id);
    if (part != step.parts.end() && !part->second.in) continue;
    ReopenStep(turn, number, why);
  }
}

void CompareLeases(Turn& turn, const HostId& id, const FenceSeen& fence) {
  std::set<std::string> digests;
  for (const int number : turn.plan().StepsTouching(id)) {
    const Round* round = RoundOf(turn.run(), number);
    if (round == nullptr || !IsLive(turn.step(number))) continue;
    if (HasOpenedOn(turn, number, id)) digests.insert(round->digest);
  }
  for (const std::string& digest : digests) {
    const FenceSeen::Release* release = FindRelease(fence, digest);
    const bool live =
        release != nullptr && release->lease_remaining > absl::ZeroDuration();
    if (live) continue;
    ReopenOn(turn, id, digest,
             absl::StrCat("its leases on ", id.str(),
                          " ran out while the agent was away"));
  }
}

// What happened on the host meanwhile was seen by nobody here: a soak is
// watched time, so it starts anew.
void WatchAnew(Turn& turn, const HostId& id) {
  for (const int number : turn.plan().StepsOn(id)) {
    const Step& step = turn.step(number);
    if (step.stop != Stop::kNone) continue;
    if (!In<Soaking>(step) && !In<Accepting>(step)) continue;
    const auto part = step.parts.find(id);
    if (part == step.parts.end() || !part->second.in) continue;
    ForgetStepOrders(turn, number);
    StartSoak(turn, number);
  }
}

// An agent that was started anew watches nothing; what it said last about a
// system that is back may be over, and nobody would hear of the next alarm.
void WatchOn(Turn& turn, const HostId& id) {
  for (const int number : turn.plan().StepsOn(id)) {
    const Step& step = turn.step(number);
    if (!In<Reconnected>(step) || !step.watched) continue;
    const auto part = step.parts.find(id);
    if (part == step.parts.end() || !part->second.in) continue;
    const PlannedStep& planned = turn.plan().planned(number);
    Pending meta;
    meta.purpose = Purpose::kWatch;
    meta.step = number;
    turn.Send(id, Watch{planned.id, planned.watch, planned.watch_every},
              ChecksDeadline(planned.watch), std::move(meta));
  }
}

void MarkLost(Turn& turn, const HostId& id, const std::string& reason) {
  Host& host = turn.world.hosts[id];
  host.link = Host::Link::kLost;
  host.since = turn.now();
  host.lost_reason = reason;
  // Silence means nothing now: what is out waits for the agent.
  for (const OrderKey& key : host.pending) {
    turn.SetOrderDeadline(key, absl::InfiniteFuture());
  }
  turn.SetHostTimer(id, turn.now() + kAbsentAfter);
  TouchHost(turn, id);
}

void ApplyAbsent(Turn& turn, const HostId& id) {
  Host& host = turn.world.hosts[id];
  turn.SetHostTimer(id, absl::InfiniteFuture());
  if (host.connected()) return;
  host.absent = true;
  TouchHost(turn, id);
  if (!turn.world.run_active()) return;
  turn.Say("host", id.str(),
           absl::StrCat(AwayText(turn.world, id),
                        "; what can go on without it goes on"));
  for (const int number : turn.plan().StepsOn(id)) {
    Step& step = turn.step(number);
    const auto part = step.parts.find(id);
    if (part == step.parts.end() || !part->second.in) continue;
    if (HostsIn(step) - 1 >= turn.plan().planned(number).enough) {
      TakeHostOut(turn, number, id, Out::kAbsent, AwayText(turn.world, id));
    }
  }
  const OrderSet pending = host.pending;
  for (const OrderKey& key : pending) {
    const auto it = turn.world.orders.find(key);
    if (it == turn.world.orders.end()) continue;
    const Purpose purpose = it->second.purpose;
    const bool forming =
        purpose == Purpose::kFreeze || purpose == Purpose::kPropose;
    const bool peer = purpose == Purpose::kOpenServers &&
                      it->second.step >= 0 &&
                      !IsOwnHost(turn, it->second.step, id) &&
                      NeedsMet(turn.world, it->second.step);
    if (forming || peer) FailOrder(turn, key, AwayText(turn.world, id));
  }
}

}  // namespace

bool IsAway(const World& world, const HostId& id) {
  const Host* host = world.FindHost(id);
  if (host == nullptr) return true;
  return !host->manual && (host->link == Host::Link::kNever || host->absent);
}

bool IsUnreachable(const World& world, int number) {
  const PlannedStep& planned = world.run->plan().planned(number);
  const auto there =
      std::count_if(planned.hosts.begin(), planned.hosts.end(),
                    [&](const HostId& host) { return !IsAway(world, host); });
  return there < planned.enough;
}

std::string AwayText(const World& world, const HostId& id) {
  const Host* host = world.FindHost(id);
  if (host != nullptr && host->manual) {
    return absl::StrCat("nobody has said that ", id.str(), " is closed");
  }
  if (host == nullptr || host->link == Host::Link::kNever) {
    return absl::StrCat(id.str(), " has never connected");
  }
  return absl::StrCat(id.str(), " is not connected since ",
                      ClockText(host->since));
}

void ObserveFence(Turn& turn, const HostId& id, const FenceSeen& fence,
                  Seen seen) {
  Host& host = turn.world.hosts[id];
  const bool known = host.fence.has_value();
  const uint64_t before = known ? host.fence->quarantine_number : 0;
  const bool older = known && (fence.state_serial < host.fence->state_serial ||
                               fence.quarantine_number < before);
  // A repeated answer carries what was read then (S8).
  if (older && seen != Seen::kHello) return;
  // Most readings say what was known, and nothing goes on by them. One that
  // ends an isolation lets its steps join a round.
  const bool news = !known || fence.mode != host.fence->mode ||
                    fence.quarantine_number != before ||
                    seen == Seen::kIsolationReport;
  host.fence = fence;
  if (host.sensor_anew.has_value() &&
      host.sensor_anew->act == fence.sensor_anew) {
    host.sensor_anew->done = true;
  }
  if (host.never_isolated && host.quarantined()) {
    host.never_isolated = false;
    host.must_be_quarantined = true;
    TouchHost(turn, id);
  } else if (news) {
    TouchHost(turn, id);
  }
  if (host.isolating.has_value() || seen == Seen::kIsolationReport) return;

  if (older && host.must_be_quarantined) {
    turn.Say("alarm", id.str(),
             absl::StrCat(id.str(),
                          " was rolled back to an older state: it is isolated; "
                          "enrol it again before you trust it"));
    IsolateHosts(turn, {id}, Stop::kFailed,
                 "it was rolled back to an older state");
  } else if (fence.mode == FenceSeen::Mode::kOpen && host.must_be_quarantined &&
             fence.broken_glass.empty()) {
    // One that its people opened by break-glass says so itself (ApplyGlass()),
    // and only people close it again.
    turn.Say("alarm", id.str(),
             absl::StrCat(id.str(),
                          " should be in quarantine and has no fence: it is "
                          "isolated again"));
    IsolateHosts(turn, {id}, Stop::kFailed, "its fence was down");
  } else if (known && fence.quarantine_number > before) {
    const std::string why =
        absl::StrCat("something else isolated it (quarantine number ",
                     fence.quarantine_number, ", ", before, " known)");
    turn.Say("alarm", id.str(), absl::StrCat(id.str(), ": ", why));
    VoidHost(turn, id, why);
  } else if (const std::string strange = StrangeFlows(turn, fence);
             !strange.empty()) {
    turn.Say("alarm", id.str(),
             absl::StrCat(id.str(), " holds ", strange,
                          ": it is isolated; find out who opened them"));
    IsolateHosts(turn, {id}, Stop::kFailed, absl::StrCat("it held ", strange));
  }
}

void ApplyConnected(Turn& turn, const AgentConnected& event) {
  World& world = turn.world;
  Host& host = world.hosts[event.host];
  if (host.manual) return;  // people speak for it alone
  const std::optional<FenceSeen> before = host.fence;
  const bool first = host.link == Host::Link::kNever;
  const bool rebooted = !host.boot_id.empty() && host.boot_id != event.boot_id;
  host.link = Host::Link::kConnected;
  host.since = turn.now();
  host.absent = false;
  host.boot_id = event.boot_id;
  host.agent_version = event.agent_version;
  turn.SetHostTimer(event.host, absl::InfiniteFuture());
  turn.Say("host", event.host.str(),
           absl::StrCat(event.host.str(), first      ? " connected"
                                          : rebooted ? " is back after a reboot"
                                                     : " is connected again"));
  if (event.highest_epoch > world.epoch) {
    turn.Say("alarm", event.host.str(),
             absl::StrCat(event.host.str(), " has obeyed epoch ",
                          event.highest_epoch, ", this is epoch ", world.epoch,
                          ": another orchestrator is or was at work; stop one "
                          "of the two"));
  }
  const bool closing = HasClosingOrder(world, host);
  ObserveFence(turn, event.host, event.fence, Seen::kHello);
  if (world.run.has_value() && !host.isolating.has_value()) {
    if (rebooted) {
      ApplyReboot(turn, event.host);
    } else {
      CompareLeases(turn, event.host, event.fence);
      WatchAnew(turn, event.host);
    }
    const bool opened = event.fence.mode == FenceSeen::Mode::kOpen &&
                        !event.fence.broken_glass.empty();
    if (before.has_value() && !closing && !opened) {
      CompareStanding(turn, event.host, *before, event.fence);
    }
    if (world.run_active()) WatchOn(turn, event.host);
  }
  const OrderSet pending = host.pending;
  for (const OrderKey& key : pending) {
    const auto order = world.orders.find(key);
    if (order != world.orders.end() && order->second.good_until <= turn.now()) {
      turn.Forget(key);
    } else if (key.sequence != turn.stamp.sequence) {
      turn.SendAgain(key);
    }
  }
  TouchHost(turn, event.host);
}

void ApplyLost(Turn& turn, const AgentLost& event) {
  const Host* host = turn.world.FindHost(event.host);
  if (host == nullptr || host->link != Host::Link::kConnected) return;
  MarkLost(turn, event.host, event.reason);
  turn.Say("host", event.host.str(),
           absl::StrCat(event.host.str(), " is lost", Because(event.reason),
                        "; what it does is unknown until it is back, and its "
                        "leased flows close by themselves"));
}

void ApplyLeaseLost(Turn& turn, const LeaseLost& event) {
  if (turn.world.FindHost(event.host) == nullptr) return;
  if (!turn.world.run_active()) return;
  ReopenOn(turn, event.host, event.release_digest,
           absl::StrCat("its leases on ", event.host.str(), " ran out"));
}

void ApplyFenceChanged(Turn& turn, const FenceChanged& event) {
  const Host* host = turn.world.FindHost(event.host);
  if (host == nullptr || host->manual) return;
  turn.Say("alarm", event.host.str(),
           absl::StrCat(event.host.str(), " says: ",
                        event.reason.empty() ? "its fence is not as it was"
                                             : event.reason,
                        ". Look at the host"));
  ObserveFence(turn, event.host, event.fence, Seen::kChanged);
}

void ApplyReign(Turn& turn, const ReignBegan& event) {
  World& world = turn.world;
  world.epoch = std::max(world.epoch, event.epoch);
  world.instance = event.instance;
  std::vector<HostId> connected;
  for (const auto& [id, host] : world.hosts) {
    if (host.link == Host::Link::kConnected) connected.push_back(id);
  }
  for (const HostId& id : connected) {
    MarkLost(turn, id, "the orchestrator was restarted");
  }
  turn.Say("run", "",
           absl::StrCat("the orchestrator took over, epoch ", world.epoch));
}

void ExpireLinks(Turn& turn) {
  std::set<std::pair<absl::Time, HostId>>& timers = turn.world.host_timers;
  while (!timers.empty() && timers.begin()->first <= turn.now()) {
    const HostId id = timers.begin()->second;
    ApplyAbsent(turn, id);
  }
}

}  // namespace sluice::engine
