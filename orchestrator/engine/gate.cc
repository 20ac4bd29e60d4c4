#include "orchestrator/engine/gate.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "orchestrator/engine/connect.h"
#include "orchestrator/engine/failure.h"
#include "orchestrator/engine/hosts.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/proposal.h"
#include "orchestrator/engine/turn.h"
#include "orchestrator/engine/waivers.h"

namespace sluice::engine {
namespace {

std::string RoundName(Turn& turn, int stage, int number) {
  return absl::StrCat(turn.plan().planned_stage(stage).id.str(), "/", number);
}

// A step on its way into quarantine will soon want to join: one question to
// people is better than two.
bool WaitsForIsolating(Turn& turn, int stage) {
  for (const int number : turn.run().gates[stage].isolating) {
    const Step& step = turn.step(number);
    const auto* isolating = std::get_if<Isolating>(&step.phase);
    if (isolating == nullptr || step.stop != Stop::kNone) continue;
    const bool answering =
        std::all_of(isolating->waiting.begin(), isolating->waiting.end(),
                    [&](const OrderKey& key) {
                      const auto it = turn.world.orders.find(key);
                      // A person may take hours.
                      return it == turn.world.orders.end() ||
                             (!it->second.by_hand.has_value() &&
                              turn.world.Connected(it->second.order.host));
                    });
    if (answering) return true;
  }
  return false;
}

// The largest set of the stage's steps that can go now: each need is well
// already or in the set, each joint group is in it whole.
std::set<int> Candidates(Turn& turn, int stage) {
  std::set<int> set;
  for (const int number : turn.run().gates[stage].resting) {
    if (CanJoinRound(turn.world, number)) set.insert(number);
  }
  bool changed = true;
  while (changed) {
    changed = false;
    for (auto it = set.begin(); it != set.end();) {
      const StepInfo& info = turn.plan().step(*it);
      auto misses = [&](const NeedInfo& need) {
        if (!need.hard || set.contains(need.step)) return false;
        return !IsHealthyNow(turn.world, need.step) ||
               (need.soaked && !HasSoaked(turn.step(need.step)));
      };
      const bool leaves =
          std::any_of(info.needs.begin(), info.needs.end(), misses) ||
          !std::all_of(info.group.begin(), info.group.end(),
                       [&](int other) { return set.contains(other); });
      it = leaves ? set.erase(it) : std::next(it);
      changed = changed || leaves;
    }
  }
  return set;
}

void EnterRound(Turn& turn, int number, int round) {
  Step& step = turn.step(number);
  step.round = round;
  step.gate = turn.plan().step(number).stage;
  step.reason.clear();
  step.parts.clear();
  step.opened.clear();
  step.late.clear();
  step.closed.clear();
  step.shut_servers.clear();
  step.withdrawn.clear();
  step.notes.clear();
  step.checks.clear();
  step.doubtful.clear();
  for (const HostId& host : turn.plan().planned(number).hosts) {
    const bool there = turn.world.Connected(host);
    step.parts[host] = {there, false, there ? "" : AwayText(turn.world, host)};
  }
  turn.Enter(number, Inspecting{});
}

void FormRound(Turn& turn, int stage, const std::set<int>& steps) {
  Gate& gate = turn.run().gates[stage];
  gate.forming.emplace();
  Round& round = *gate.forming;
  round.number = ++gate.last_round;
  round.plan = turn.world.plan;
  round.steps.assign(steps.begin(), steps.end());
  gate.why.clear();

  std::map<HostId, std::map<CheckId, PlannedCheck>> inspections;
  for (const int number : steps) {
    EnterRound(turn, number, round.number);
    for (const HostId& host : turn.plan().step(number).all_hosts) {
      if (turn.world.Connected(host)) inspections[host];
    }
    for (const HostId& host : turn.plan().planned(number).hosts) {
      if (!turn.world.Connected(host)) continue;
      for (const PlannedCheck& check : turn.plan().planned(number).inspect) {
        inspections[host].emplace(check.id, check);
      }
    }
  }
  for (const auto& [id, checks] : inspections) {
    FreezeEvidence freeze{RoundName(turn, stage, round.number), {}};
    for (const auto& [check_id, check] : checks) {
      freeze.inspections.push_back(check);
    }
    const Host& host = turn.world.hosts[id];
    RoundHost& seen = round.hosts[id];
    seen.boot_id = host.boot_id;
    seen.frozen_at = turn.now();
    Pending meta;
    meta.purpose = Purpose::kFreeze;
    meta.gate = stage;
    meta.round = round.number;
    const absl::Duration deadline = ChecksDeadline(freeze.inspections);
    round.waiting.insert(
        turn.Send(id, std::move(freeze), deadline, std::move(meta)));
  }
  turn.Say("gate", turn.plan().planned_stage(stage).id.str(),
           absl::StrCat("gate '", turn.plan().planned_stage(stage).id.str(),
                        "', round ", round.number, ": ",
                        Count(inspections.size(), "host"),
                        inspections.size() == 1 ? " is" : " are",
                        " inspected for ", Count(steps.size(), "step")));
}

void DiscardForming(Turn& turn, int stage) {
  Gate& gate = turn.run().gates[stage];
  const std::string why = gate.forming->stale;
  const int number = gate.forming->number;
  const bool asked = gate.forming->state == Round::State::kAsking;
  turn.ForgetAll(&gate.forming->waiting);
  const std::vector<int> steps = gate.forming->steps;
  gate.forming.reset();
  gate.why = why;
  for (const int member : steps) {
    Step& step = turn.step(member);
    if (step.round != number) continue;
    if (!In<Inspecting>(step) && !In<Ready>(step)) continue;
    step.round = 0;
    step.parts.clear();
    if (step.stop == Stop::kNone) step.reason = why;
    turn.Enter(member, Quarantined{});
  }
  const std::string& name = turn.plan().planned_stage(stage).id.str();
  if (asked) {
    turn.Say("gate", name,
             absl::StrCat("gate '", name, "': the votes of round ", number,
                          " are void: ", why));
  }
}

// Nobody is asked about a step whose flows could not open anyway: it waits
// for what it needs, or fails if that is well and its host is not willing.
bool LeaveWithoutServers(Turn& turn, int stage) {
  bool left = false;
  const std::vector<int> steps = turn.run().gates[stage].forming->steps;
  for (const int number : steps) {
    const std::string shut = ShutServersText(turn, number);
    if (shut.empty() || !In<Inspecting>(turn.step(number))) continue;
    left = true;
    if (NeedsMet(turn.world, number)) {
      FailStep(turn, number, Stop::kFailed, shut);
    } else {
      turn.step(number).reason = shut;
      LeaveRound(turn, number);
    }
  }
  return left;
}

void AdvanceForming(Turn& turn, int stage) {
  Round& round = *turn.run().gates[stage].forming;
  if (round.state == Round::State::kInspecting) {
    if (!round.waiting.empty()) return;
    for (const int number : round.steps) {
      if (!TasksDone(turn.world, number)) return;
    }
    if (LeaveWithoutServers(turn, stage)) return;
    ProposeRound(turn, stage);
    return;
  }
  if (round.state != Round::State::kProposing || !round.waiting.empty()) {
    return;
  }
  const PlannedStage& planned = turn.plan().planned_stage(stage);
  round.state = Round::State::kAsking;
  round.opened = turn.now();
  round.deadline = turn.now() + planned.gate.timeout;
  for (const int number : round.steps) turn.Touch(number);
  int refusing = 0;
  int lacking = 0;
  for (const auto& [id, host] : round.hosts) {
    if (host.answer == RoundHost::Answer::kRefuses) ++refusing;
    if (host.answer == RoundHost::Answer::kAccepts &&
        !host.answer_reason.empty()) {
      ++lacking;
    }
  }
  const std::string& name = planned.id.str();
  turn.Say(
      "gate", name,
      absl::StrCat("gate '", name, "' asks, round ", round.number, ": ",
                   Count(round.steps.size(), "step"), ", until ",
                   ClockText(round.deadline),
                   "; needed: ", QuorumText(planned.gate.approvals),
                   refusing == 0 ? std::string()
                                 : absl::StrCat("; ", Count(refusing, "host"),
                                                " would refuse"),
                   lacking == 0 ? std::string()
                                : absl::StrCat("; ", Count(lacking, "host"),
                                               " would not do all"),
                   ". `sluice show ", name, "`"));
}

// A stage's turn comes when every earlier one has settled. A retry unsettles
// its stage: later ones ask no more new questions meanwhile, so that people
// are asked once.
bool IsCurrent(Turn& turn, int stage) {
  const std::vector<Gate>& gates = turn.run().gates;
  return std::all_of(gates.begin(), gates.begin() + stage,
                     [](const Gate& gate) { return gate.unsettled == 0; });
}

// An inspection's verdicts on one host, for one step.
void JudgeInspections(Turn& turn, int number, const HostId& host,
                      const std::vector<CheckReport>& results) {
  Step& step = turn.step(number);
  const auto part = step.parts.find(host);
  if (!In<Inspecting>(step) || part == step.parts.end() || !part->second.in) {
    return;
  }
  for (const PlannedCheck& check : turn.plan().planned(number).inspect) {
    const auto it = std::find_if(
        results.begin(), results.end(),
        [&](const CheckReport& report) { return report.id == check.id; });
    CheckReport report{check.id,
                       {Verdict::kInconclusive, "no verdict came",
                        absl::StrCat("host ", host.str())}};
    if (it != results.end()) report = *it;
    step.checks[{check.id, host}] = report;
    if (IsWaived(turn.world, check.id)) continue;
    const std::string why = absl::StrCat(
        "inspection ", check.id.str(), " ",
        report.result.verdict == Verdict::kFail ? "failed" : "is inconclusive",
        Because(report.result.reason));
    if (report.result.verdict == Verdict::kFail) {
      FailHost(turn, host, number, why);
      return;
    }
    if (report.result.verdict == Verdict::kInconclusive) {
      // Never taken for a pass; a person looks, and retries.
      TakeHostOut(turn, number, host, Out::kInconclusive, why);
      return;
    }
  }
}

}  // namespace

const char* RoundStateName(Round::State state) {
  switch (state) {
    case Round::State::kInspecting:
      return "inspecting";
    case Round::State::kProposing:
      return "inspecting";
    case Round::State::kAsking:
      return "asking";
    case Round::State::kReleased:
      return "released";
    case Round::State::kRefused:
      return "refused";
    case Round::State::kHeld:
      return "held";
  }
  return "waiting";
}

bool IsInRound(const Round& round, const HostId& host) {
  const auto it = round.hosts.find(host);
  return it != round.hosts.end() && it->second.out.empty() &&
         !it->second.is_void;
}

bool TasksDone(const World& world, int number) {
  for (const PlannedTask& task :
       world.run->plan().planned(number).inspect_tasks) {
    if (!world.run->tasks.contains(task.id)) return false;
  }
  return true;
}

bool CanJoinRound(const World& world, int number) {
  const Step& step = world.run->steps[number];
  if (!In<Quarantined>(step) || step.stop != Stop::kNone) return false;
  const PlannedStep& planned = world.run->plan().planned(number);
  int there = 0;
  for (const HostId& host : planned.hosts) {
    if (world.Connected(host)) ++there;
  }
  for (const HostId& host : world.run->plan().step(number).all_hosts) {
    const Host* state = world.FindHost(host);
    if (world.Connected(host)) {
      // Evidence from before an isolation that is on its way is void at once.
      if (!state->isolating.has_value() && !state->never_isolated) continue;
      return false;
    }
    const bool own = std::find(planned.hosts.begin(), planned.hosts.end(),
                               host) != planned.hosts.end();
    // Not yet known to be away: it may be dialling.
    if (!IsAway(world, host) || (own && there < planned.enough)) {
      return false;
    }
  }
  return there >= planned.enough;
}

void AdvanceGate(Turn& turn, int stage) {
  Gate& gate = turn.run().gates[stage];
  gate.current = IsCurrent(turn, stage);
  if (gate.forming.has_value()) {
    if (gate.forming->steps.empty() && gate.forming->stale.empty()) {
      gate.forming->stale = "none of its steps can go now";
    }
    const bool asks_nobody = gate.forming->state == Round::State::kRefused ||
                             gate.forming->state == Round::State::kHeld;
    if (!gate.forming->stale.empty() && !asks_nobody) {
      DiscardForming(turn, stage);
    } else if (!asks_nobody) {
      AdvanceForming(turn, stage);
      return;
    }
  }
  if (!gate.current) return;
  if (turn.run().paused || WaitsForIsolating(turn, stage)) return;
  const std::set<int> steps = Candidates(turn, stage);
  if (!steps.empty()) FormRound(turn, stage, steps);
}

void EvidenceReported(Turn& turn, OrderKey key, const Pending& pending,
                      const OrderReported& report) {
  if (!turn.world.run_active() || pending.gate < 0) return;
  Gate& gate = turn.run().gates[pending.gate];
  if (!gate.forming.has_value() || gate.forming->waiting.erase(key) == 0) {
    return;
  }
  turn.TouchGate(pending.gate);
  Round& round = *gate.forming;
  RoundHost& host = round.hosts[report.host];
  const auto* frozen = std::get_if<EvidenceFrozen>(&report.detail);
  if (report.outcome != Outcome::kDone || frozen == nullptr ||
      !IsDigest(frozen->digest)) {
    host.out = report.reason.empty() ? "it gave no evidence" : report.reason;
    const std::string why =
        absl::StrCat("it gave no evidence", Because(report.reason));
    const bool away = !turn.world.Connected(report.host);
    const std::vector<int> steps = round.steps;
    for (const int number : steps) {
      TakeHostOut(turn, number, report.host, away ? Out::kAbsent : Out::kFailed,
                  why);
    }
    return;
  }
  host.frozen = true;
  host.evidence_digest = frozen->digest;
  host.evidence = frozen->text;
  host.evidence_signature = frozen->signature;
  host.results = frozen->results;
  host.boot_id = turn.world.hosts[report.host].boot_id;
  const int of = round.number;
  for (const int number : turn.plan().StepsOn(report.host)) {
    const Step& step = turn.step(number);
    if (step.gate != pending.gate || step.round != of) continue;
    JudgeInspections(turn, number, report.host, frozen->results);
  }
}

void LeaveRound(Turn& turn, int number) {
  Step& step = turn.step(number);
  const int stage = step.gate;
  if (stage >= 0) {
    Gate& gate = turn.run().gates[stage];
    if (gate.forming.has_value() && gate.forming->number == step.round) {
      Round& round = *gate.forming;
      round.steps.erase(
          std::remove(round.steps.begin(), round.steps.end(), number),
          round.steps.end());
      if (round.state == Round::State::kProposing ||
          round.state == Round::State::kAsking) {
        VoidForming(turn, stage,
                    absl::StrCat(turn.plan().name(number), " left the round"));
      }
      turn.TouchGate(stage);
    }
  }
  step.round = 0;
  step.parts.clear();
  turn.Enter(number, Quarantined{});
  // A joint group joins a round whole, and leaves it whole.
  for (const int other : turn.plan().step(number).group) {
    const Step& member = turn.step(other);
    if (In<Inspecting>(member) || In<Ready>(member)) LeaveRound(turn, other);
  }
}

void VoidForming(Turn& turn, int stage, const std::string& why) {
  Gate& gate = turn.run().gates[stage];
  if (!gate.forming.has_value() || !gate.forming->stale.empty()) return;
  gate.forming->stale = why.empty() ? "what it was about has changed" : why;
  turn.TouchGate(stage);
}

void DropForming(Turn& turn, int stage, const std::string& why) {
  Gate& gate = turn.run().gates[stage];
  if (!gate.forming.has_value()) return;
  gate.forming->stale = why;
  DiscardForming(turn, stage);
}

namespace {

void HoldGate(Turn& turn, int stage) {
  Round& round = *turn.run().gates[stage].forming;
  const std::string& name = turn.plan().planned_stage(stage).id.str();
  round.state = Round::State::kHeld;
  round.why = absl::StrCat("nobody completed its quorum by ",
                           ClockText(round.deadline));
  const std::vector<int> steps = round.steps;
  for (const int number : steps) {
    turn.step(number).round = 0;
    turn.step(number).parts.clear();
    turn.Enter(number, Quarantined{});
    turn.SetStop(number, Stop::kUnanswered,
                 absl::StrCat("gate '", name, "' holds: ", round.why));
  }
  turn.Say("hold", name,
           absl::StrCat("gate '", name, "' holds: ", round.why,
                        "; `sluice retry` asks again"));
}

// What was released and is not confirmed yet has lost its release order.
void ExpireRound(Turn& turn, int stage, int number) {
  Round& round = turn.run().gates[stage].released[number];
  round.expired = true;
  const std::string why =
      absl::StrCat("the release order of round ", number, " was valid until ",
                   ClockText(round.valid_until));
  const std::vector<int> steps = round.steps;
  for (const int member : steps) {
    Step& step = turn.step(member);
    if (step.round != number || step.gate != stage) continue;
    if (In<Ready>(step)) {
      step.reason = absl::StrCat(why, "; its gate asks again");
      step.round = 0;
      turn.Enter(member, Quarantined{});
    } else if (IsLive(step)) {
      FailStep(turn, member, Stop::kFailed,
               absl::StrCat(why, ", before it was confirmed"));
    }
  }
}

}  // namespace

void ExpireGates(Turn& turn) {
  if (!turn.world.run_active()) return;
  for (int i = 0; i < static_cast<int>(turn.run().gates.size()); ++i) {
    Gate& gate = turn.run().gates[i];
    if (gate.forming.has_value()) {
      const Round& round = *gate.forming;
      if (round.state == Round::State::kAsking &&
          round.deadline <= turn.now()) {
        HoldGate(turn, i);
      } else if (round.valid_until <= turn.now() &&
                 round.state != Round::State::kRefused &&
                 round.state != Round::State::kHeld) {
        VoidForming(turn, i, "its evidence is too old");
      }
    }
    std::vector<int> expired;
    for (const auto& [number, round] : gate.released) {
      if (!round.expired && round.valid_until <= turn.now()) {
        expired.push_back(number);
      }
    }
    for (const int number : expired) ExpireRound(turn, i, number);
  }
}

}  // namespace sluice::engine
