#include "orchestrator/engine/connect.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/failure.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/turn.h"
#include "orchestrator/engine/waivers.h"

namespace sluice::engine {
namespace {

using ConnectPart = Connecting::Part;

constexpr absl::Duration kOpenDeadline = absl::Seconds(15);
constexpr absl::Duration kTryDeadline = absl::Seconds(30);
constexpr absl::Duration kStartDeadline = absl::Minutes(2);

ConnectPart NextPart(ConnectPart part, bool grouped) {
  // Members of a joint group try each other only once all were started.
  switch (part) {
    case ConnectPart::kInspectAgain:
      return ConnectPart::kOpenServers;
    case ConnectPart::kOpenServers:
      return ConnectPart::kOpenClients;
    case ConnectPart::kOpenClients:
      return grouped ? ConnectPart::kStart : ConnectPart::kTry;
    case ConnectPart::kStart:
      return grouped ? ConnectPart::kTry : ConnectPart::kDone;
    case ConnectPart::kTry:
      return grouped ? ConnectPart::kDone : ConnectPart::kStart;
    case ConnectPart::kDone:
      break;
  }
  return ConnectPart::kDone;
}

Pending Meta(Purpose purpose, int step) {
  Pending meta;
  meta.purpose = purpose;
  meta.step = step;
  return meta;
}

std::vector<HostId> HostsToAsk(const Step& step) {
  std::vector<HostId> hosts;
  for (const auto& [host, part] : step.parts) {
    if (part.in) hosts.push_back(host);
  }
  return hosts;
}

bool HostsAreThere(Turn& turn, const Step& step) {
  return std::all_of(
      step.parts.begin(), step.parts.end(), [&](const auto& entry) {
        return !entry.second.in || turn.world.Connected(entry.first);
      });
}

// Nothing of a member opens while another could not follow.
bool GroupIsReady(Turn& turn, int number) {
  for (const int other : turn.plan().step(number).group) {
    const Step& step = turn.step(other);
    const Round* round = RoundOf(turn.run(), other);
    const bool released =
        round != nullptr && round->state == Round::State::kReleased;
    if (step.stop != Stop::kNone) return false;
    if (IsOpenOrLive(step)) continue;
    if (!In<Ready>(step) || !released || !HostsAreThere(turn, step)) {
      return false;
    }
  }
  return true;
}

bool GroupHasStarted(Turn& turn, int number) {
  for (const int other : turn.plan().step(number).group) {
    const Step& step = turn.step(other);
    if (const auto* connecting = std::get_if<Connecting>(&step.phase)) {
      if (connecting->part != ConnectPart::kTry &&
          connecting->part != ConnectPart::kDone) {
        return false;
      }
    } else if (!IsOpenOrLive(step)) {
      return false;
    }
  }
  return true;
}

void BeginStep(Turn& turn, int number) {
  const Step& step = turn.step(number);
  const Round* round = RoundOf(turn.run(), number);
  if (turn.run().paused || round == nullptr) return;
  if (round->state != Round::State::kReleased) return;
  if (turn.now() >= round->valid_until) return;
  if (!NeedsMet(turn.world, number) || !GroupIsReady(turn, number)) return;
  if (!HostsAreThere(turn, step)) return;
  turn.Say("connecting", turn.plan().name(number),
           absl::StrCat(turn.plan().name(number), " is connecting"));
  turn.Enter(number, Connecting{});
}

// Soft needs never block: their grants open now if what they reach is well,
// otherwise later (late.cc).
std::vector<int> GrantsToOpen(Turn& turn, int number) {
  const StepInfo& info = turn.plan().step(number);
  const Step& step = turn.step(number);
  std::vector<int> grants;
  for (const int grant : info.grants) {
    const GrantInfo& planned = turn.plan().grant(grant);
    const bool grouped = std::binary_search(info.group.begin(),
                                            info.group.end(), planned.target);
    const bool opens = planned.hard || planned.target < 0 || grouped ||
                       IsHealthyNow(turn.world, planned.target);
    if (opens && !step.closed.contains(grant)) grants.push_back(grant);
  }
  return grants;
}

void SendOpen(Turn& turn, int number, Purpose purpose,
              const std::map<HostId, std::vector<GrantId>>& by_host) {
  const Round* round = RoundOf(turn.run(), number);
  auto& connecting = std::get<Connecting>(turn.step(number).phase);
  for (const auto& [host, grants] : by_host) {
    connecting.waiting.insert(
        turn.Send(host, OpenFlows{round->digest, grants, round->Decisions()},
                  kOpenDeadline, Meta(purpose, number)));
  }
}

void SendTries(Turn& turn, int number) {
  Step& step = turn.step(number);
  auto& connecting = std::get<Connecting>(step.phase);
  const std::vector<int> grants(step.opened.begin(), step.opened.end());
  if (turn.plan().step(number).entry) {
    AddNote(&step, "from outside: untried");
    return;
  }
  for (const HostId& host : HostsToAsk(step)) {
    std::vector<std::string> notes;
    TryFlows tries;
    tries.flows = TryableFlows(turn, number, host, grants, &notes);
    for (const std::string& note : notes) AddNote(&step, note);
    if (tries.flows.empty()) continue;
    connecting.waiting.insert(turn.Send(host, std::move(tries), kTryDeadline,
                                        Meta(Purpose::kTry, number)));
  }
}

// Whether the orders of a part may leave now; if so, they have left.
bool SendPart(Turn& turn, int number) {
  Step& step = turn.step(number);
  auto& connecting = std::get<Connecting>(step.phase);
  const PlannedStep& planned = turn.plan().planned(number);
  const bool opens = connecting.part != ConnectPart::kInspectAgain &&
                     connecting.part != ConnectPart::kTry;
  if (opens && turn.run().paused) return false;
  // S1: asked anew before every opening; a need may be gone since the last.
  if (opens && !NeedsMet(turn.world, number)) return false;
  switch (connecting.part) {
    case ConnectPart::kInspectAgain:
      for (const HostId& host : HostsToAsk(step)) {
        if (planned.inspect.empty()) break;
        connecting.waiting.insert(turn.Send(
            host, RunChecks{planned.inspect}, ChecksDeadline(planned.inspect),
            Meta(Purpose::kInspectAgain, number)));
      }
      return true;
    case ConnectPart::kOpenServers: {
      const std::vector<int> grants = GrantsToOpen(turn, number);
      step.opened.insert(grants.begin(), grants.end());
      step.shut_servers.clear();
      ShutMissingServers(turn, number, grants);
      SendOpen(turn, number, Purpose::kOpenServers,
               ServersOf(turn, number, grants));
      return true;
    }
    case ConnectPart::kOpenClients:
      SendOpen(
          turn, number, Purpose::kOpenClients,
          ClientsOf(turn, number, {step.opened.begin(), step.opened.end()}));
      return true;
    case ConnectPart::kStart:
      if (planned.start_unit.empty() || turn.plan().step(number).entry) {
        return true;
      }
      for (const HostId& host : HostsToAsk(step)) {
        connecting.waiting.insert(turn.Send(host, StartUnit{planned.start_unit},
                                            kStartDeadline,
                                            Meta(Purpose::kStart, number)));
      }
      return true;
    case ConnectPart::kTry:
      if (!GroupHasStarted(turn, number)) return false;
      SendTries(turn, number);
      return true;
    case ConnectPart::kDone:
      return true;
  }
  return false;
}

void Probe(Turn& turn, int number) {
  turn.Enter(number, Probing{});
  const std::vector<PlannedCheck>& health = *turn.plan().step(number).health;
  if (health.empty()) return;
  auto& probing = std::get<Probing>(turn.step(number).phase);
  for (const HostId& host : HostsToAsk(turn.step(number))) {
    probing.waiting.insert(turn.Send(host, RunChecks{health},
                                     ChecksDeadline(health),
                                     Meta(Purpose::kHealth, number)));
  }
}

void AdvanceConnecting(Turn& turn, int number) {
  const bool grouped = !turn.plan().step(number).group.empty();
  while (true) {
    auto* connecting = std::get_if<Connecting>(&turn.step(number).phase);
    if (connecting == nullptr || turn.step(number).stop != Stop::kNone) return;
    if (!connecting->sent) {
      if (!SendPart(turn, number)) return;
      connecting->sent = true;
    }
    if (!connecting->waiting.empty()) return;
    if (connecting->part == ConnectPart::kOpenServers) {
      const std::string shut = ShutServersText(turn, number);
      if (!shut.empty()) {
        FailStep(turn, number, Stop::kFailed, shut);
        return;
      }
    }
    if (connecting->part == ConnectPart::kDone) {
      Probe(turn, number);
      return;
    }
    connecting->part = NextPart(connecting->part, grouped);
    connecting->sent = false;
    if (grouped) turn.Touch(number);
  }
}

void ArriveInQuarantine(Turn& turn, int number) {
  Step& step = turn.step(number);
  step.round = 0;
  step.parts.clear();
  step.opened.clear();
  turn.Say("isolation", turn.plan().name(number),
           absl::StrCat(turn.plan().name(number), " is in quarantine",
                        Because(step.reason)));
  turn.Enter(number, Quarantined{});
}

// The verdict that a host's evidence holds, for comparison (S10).
Verdict EvidenceVerdict(const Round& round, const HostId& host,
                        const CheckId& check) {
  const auto it = round.hosts.find(host);
  if (it != round.hosts.end()) {
    for (const CheckReport& report : it->second.results) {
      if (report.id == check) return report.result.verdict;
    }
  }
  return Verdict::kInconclusive;
}

void InspectedAgain(Turn& turn, int number, const HostId& host,
                    const OrderReported& report) {
  const auto* done = std::get_if<ChecksDone>(&report.detail);
  if (report.outcome != Outcome::kDone || done == nullptr) {
    TakeHostOut(turn, number, host, Out::kFailed,
                absl::StrCat("its inspections could not run again",
                             Because(report.reason)));
    return;
  }
  for (const PlannedCheck& check : turn.plan().planned(number).inspect) {
    CheckReport now{check.id,
                    {Verdict::kInconclusive, "no verdict came",
                     absl::StrCat("host ", host.str())}};
    for (const CheckReport& result : done->results) {
      if (result.id == check.id) now = result;
    }
    turn.step(number).checks[{check.id, host}] = now;
    const Verdict before =
        EvidenceVerdict(*RoundOf(turn.run(), number), host, check.id);
    if (now.result.verdict == before || now.result.verdict == Verdict::kPass) {
      continue;
    }
    if (IsWaived(turn.world, check.id)) continue;
    const std::string why = absl::StrCat(
        "inspection ", check.id.str(), " was ", VerdictName(before),
        " when people decided and is ", VerdictName(now.result.verdict), " now",
        Because(now.result.reason));
    if (now.result.verdict == Verdict::kFail) {
      FailHost(turn, host, number, why);
    } else {
      // S10: worse than what was voted on, so the votes do not cover it.
      TakeHostOut(turn, number, host, Out::kInconclusive, why);
    }
    return;
  }
}

void Tried(Turn& turn, int number, const HostId& host,
           const OrderReported& report) {
  const auto* tried = std::get_if<FlowsTried>(&report.detail);
  if (report.outcome != Outcome::kDone || tried == nullptr) {
    TakeHostOut(
        turn, number, host, Out::kFailed,
        absl::StrCat("its flows could not be tried", Because(report.reason)));
    return;
  }
  Step& step = turn.step(number);
  const std::set<int> opened = step.opened;
  for (const int grant : opened) {
    std::vector<std::string> notes;
    const std::string failed =
        TriedInVain(turn, number, host, grant, tried->tries, &notes);
    for (const std::string& note : notes) AddNote(&step, note);
    if (failed.empty()) continue;
    if (turn.plan().grant(grant).hard) {
      TakeHostOut(turn, number, host, Out::kFailed, failed);
      return;
    }
    AddNote(&step, absl::StrCat("its soft need does not answer: ", failed));
  }
}

}  // namespace

void AdvanceStep(Turn& turn, int number) {
  const Step& step = turn.step(number);
  if (const auto* isolating = std::get_if<Isolating>(&step.phase)) {
    if (isolating->waiting.empty()) ArriveInQuarantine(turn, number);
    return;
  }
  if (!turn.run().active || step.stop != Stop::kNone) return;
  // S9: a step that none of its hosts takes part in is not well by default.
  if (IsLive(step) && HostsIn(step) < turn.plan().planned(number).enough) {
    FailStep(turn, number, Stop::kNone,
             "too few of its hosts are still part of it");
    return;
  }
  if (In<Ready>(step)) BeginStep(turn, number);
  if (In<Connecting>(step)) AdvanceConnecting(turn, number);
  if (step.stop != Stop::kNone) return;
  if (const auto* probing = std::get_if<Probing>(&step.phase)) {
    if (probing->waiting.empty()) StartSoak(turn, number);
  }
  AdvanceSoak(turn, number);
  AdvanceLate(turn, number);
}

void ReopenStep(Turn& turn, int number, const std::string& why) {
  Step& step = turn.step(number);
  const auto* connecting = std::get_if<Connecting>(&step.phase);
  if (connecting != nullptr && connecting->part == ConnectPart::kInspectAgain) {
    return;
  }
  if (step.stop != Stop::kNone) {
    AddNote(&step, absl::StrCat("its flows are closed: ", why));
    return;
  }
  turn.Say("connecting", turn.plan().name(number),
           absl::StrCat(turn.plan().name(number), " opens again: ", why));
  ForgetStepOrders(turn, number);
  step.late.clear();
  turn.Enter(number, Connecting{});
}

void ConnectReported(Turn& turn, OrderKey key, const Pending& pending,
                     const OrderReported& report) {
  const int number = pending.step;
  Step& step = turn.step(number);
  auto* connecting = std::get_if<Connecting>(&step.phase);
  if (connecting == nullptr || connecting->waiting.erase(key) == 0) return;
  turn.Touch(number);
  switch (pending.purpose) {
    case Purpose::kInspectAgain:
      InspectedAgain(turn, number, report.host, report);
      return;
    case Purpose::kTry:
      Tried(turn, number, report.host, report);
      return;
    default:
      break;
  }
  if (report.outcome == Outcome::kDone) return;
  const bool refused = report.outcome == Outcome::kRefused;
  const std::string why =
      pending.purpose == Purpose::kStart
          ? absl::StrCat(turn.plan().planned(number).start_unit,
                         " did not start", Because(report.reason))
          : absl::StrCat("it ", refused ? "refused" : "failed",
                         " to open the flows", Because(report.reason));
  if (step.parts.contains(report.host)) {
    TakeHostOut(turn, number, report.host, Out::kFailed, why);
  } else {
    step.shut_servers.insert(report.host);
    AddNote(&step, absl::StrCat("partial: ", report.host.str(), ": ", why));
  }
}

void HealthReported(Turn& turn, OrderKey key, const Pending& pending,
                    const OrderReported& report) {
  const int number = pending.step;
  Step& step = turn.step(number);
  auto* probing = std::get_if<Probing>(&step.phase);
  if (probing == nullptr || probing->waiting.erase(key) == 0) return;
  turn.Touch(number);
  const auto* done = std::get_if<ChecksDone>(&report.detail);
  if (report.outcome != Outcome::kDone || done == nullptr) {
    TakeHostOut(
        turn, number, report.host, Out::kFailed,
        absl::StrCat("its health checks did not run", Because(report.reason)));
    return;
  }
  Out out = Out::kAbsent;
  std::string why;
  for (const PlannedCheck& check : *turn.plan().step(number).health) {
    CheckReport result{check.id,
                       {Verdict::kInconclusive, "no verdict came",
                        absl::StrCat("host ", report.host.str())}};
    for (const CheckReport& said : done->results) {
      if (said.id == check.id) result = said;
    }
    step.checks[{check.id, report.host}] = result;
    if (result.result.verdict == Verdict::kPass || out == Out::kFailed ||
        IsWaived(turn.world, check.id)) {
      continue;
    }
    const bool failed = result.result.verdict == Verdict::kFail;
    out = failed ? Out::kFailed : Out::kInconclusive;
    why = absl::StrCat("health check ", check.id.str(),
                       failed ? " failed" : " is inconclusive",
                       Because(result.result.reason));
  }
  if (!why.empty()) TakeHostOut(turn, number, report.host, out, why);
}

}  // namespace sluice::engine
