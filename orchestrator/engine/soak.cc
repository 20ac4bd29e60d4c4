#include "orchestrator/engine/soak.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/connect.h"
#include "orchestrator/engine/failure.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/turn.h"
#include "orchestrator/engine/waivers.h"

namespace sluice::engine {
namespace {

constexpr absl::Duration kConfirmDeadline = absl::Seconds(15);
// The agent's own clock and verdicts may lag behind ours: asked again.
constexpr absl::Duration kConfirmAgain = absl::Seconds(2);
constexpr int kConfirmRefusals = 5;

bool LateIsOpening(const Step& step) {
  return std::any_of(step.late.begin(), step.late.end(), [](const auto& late) {
    return late.second.stage < Late::Stage::kConfirm;
  });
}

std::map<HostId, std::vector<GrantId>> Confirmable(Turn& turn, int number) {
  const Step& step = turn.step(number);
  std::vector<int> grants;
  for (const int grant : step.opened) {
    // What opened later soaks longer, and is confirmed by itself (late.cc).
    if (!step.late.contains(grant)) grants.push_back(grant);
  }
  std::map<HostId, std::vector<GrantId>> all = ServersOf(turn, number, grants);
  for (const HostId& host : step.shut_servers) all.erase(host);
  for (auto& [host, ids] : ClientsOf(turn, number, grants)) {
    std::vector<GrantId>& both = all[host];
    both.insert(both.end(), ids.begin(), ids.end());
    std::sort(both.begin(), both.end());
  }
  return all;
}

std::string Ordinal(size_t place) {
  const size_t tens = place % 100;
  const char* ending = "th";
  if (tens < 11 || tens > 13) {
    if (place % 10 == 1) ending = "st";
    if (place % 10 == 2) ending = "nd";
    if (place % 10 == 3) ending = "rd";
  }
  return absl::StrCat(place, ending);
}

void ComeBack(Turn& turn, int number) {
  Run& run = turn.run();
  std::vector<int>& order = run.came_back;
  order.erase(std::remove(order.begin(), order.end(), number), order.end());
  order.push_back(number);
  std::string text =
      absl::StrCat(turn.plan().name(number), " is back, the ",
                   Ordinal(order.size()), " of ", turn.plan().size());
  const int missing = static_cast<int>(turn.step(number).parts.size()) -
                      HostsIn(turn.step(number));
  if (missing > 0) {
    absl::StrAppend(&text, "; partial: ", missing, " of ",
                    turn.step(number).parts.size(), " hosts missing");
  }
  turn.Say("reconnected", turn.plan().name(number), text);
  turn.Enter(number, Reconnected{static_cast<int>(order.size())});
  const bool all =
      order.size() >= run.steps.size() &&
      std::all_of(run.steps.begin(), run.steps.end(), [](const Step& step) {
        return In<Reconnected>(step) && step.stop == Stop::kNone;
      });
  if (all) {
    turn.Say("run", "", "everything is back; `sluice end` ends the run");
  }
}

void AdvanceAccepting(Turn& turn, int number) {
  if (turn.run().paused || AwaitsAcceptance(turn.world, number)) return;
  Step& step = turn.step(number);
  auto& accepting = std::get<Accepting>(step.phase);
  if (!accepting.waiting.empty() || turn.now() < accepting.again) return;
  if (LateIsOpening(step)) return;
  const Round* round = RoundOf(turn.run(), number);
  for (auto& [host, grants] : Confirmable(turn, number)) {
    if (accepting.confirmed.contains(host)) continue;
    Pending meta;
    meta.purpose = Purpose::kConfirm;
    meta.step = number;
    accepting.confirming = true;
    accepting.waiting.insert(
        turn.Send(host,
                  Confirm{round->digest, grants, turn.plan().planned(number).id,
                          round->confirmed_by},
                  kConfirmDeadline, std::move(meta)));
  }
  if (accepting.waiting.empty()) ComeBack(turn, number);
}

void SeeWatched(Turn& turn, int number, const HostId& host,
                const CheckReport& report) {
  Step& step = turn.step(number);
  const auto part = step.parts.find(host);
  if (part == step.parts.end() || !part->second.in) return;
  if (!step.watched) return;
  step.checks[{report.id, host}] = report;
  if (IsWaived(turn.world, report.id)) return;
  const bool passes = report.result.verdict == Verdict::kPass;
  const std::string why = absl::StrCat(
      "watched check ", report.id.str(),
      report.result.verdict == Verdict::kFail ? " failed" : " is inconclusive",
      Because(report.result.reason));
  if (!In<Soaking>(step) && !In<Accepting>(step) && !In<Reconnected>(step)) {
    return;
  }
  turn.Touch(number);
  bool recovered = false;
  if (passes) {
    recovered =
        step.doubtful.erase({host, report.id}) > 0 && step.doubtful.empty();
  } else {
    step.doubtful[{host, report.id}] = report;
  }
  if (In<Reconnected>(step)) {
    // After confirmation, isolating is a person's act.
    if (passes && !recovered) return;
    const std::string& name = turn.plan().name(number);
    turn.Say("alarm", name,
             passes ? absl::StrCat(name, " is well again on ", host.str())
                    : absl::StrCat(name, " on ", host.str(), ": ", why,
                                   ". `sluice isolate ", name, "` closes it"));
    return;
  }
  if (report.result.verdict == Verdict::kFail) {
    if (step.stop == Stop::kNone) FailHost(turn, host, number, why);
    return;
  }
  if (step.stop != Stop::kNone) return;
  if (!passes && In<Accepting>(step)) {
    ForgetStepOrders(turn, number);
    turn.Enter(number, Soaking{{}, turn.now()});
  }
  auto* soaking = std::get_if<Soaking>(&step.phase);
  if (soaking == nullptr || !recovered) return;
  soaking->until = turn.now() + turn.plan().planned(number).soak;
  turn.SetTimer(number, soaking->until);
}

}  // namespace

void StartSoak(Turn& turn, int number) {
  Step& step = turn.step(number);
  // What was doubted before stays so until the watch says that it passes.
  turn.Enter(number, Soaking{});
  const PlannedStep& planned = turn.plan().planned(number);
  if (planned.watch.empty()) return;
  const std::vector<PlannedCheck> watch = ToWatch(turn.world, number);
  step.watched = true;
  auto& soaking = std::get<Soaking>(step.phase);
  for (const auto& [host, part] : step.parts) {
    if (!part.in) continue;
    Pending meta;
    meta.purpose = Purpose::kWatch;
    meta.step = number;
    soaking.waiting.insert(
        turn.Send(host, Watch{planned.id, watch, planned.watch_every},
                  ChecksDeadline(watch), std::move(meta)));
  }
}

void AdvanceSoak(Turn& turn, int number) {
  Step& step = turn.step(number);
  if (auto* soaking = std::get_if<Soaking>(&step.phase)) {
    if (!soaking->waiting.empty()) return;
    if (soaking->until == absl::InfiniteFuture()) {
      soaking->until = turn.now() + turn.plan().planned(number).soak;
      turn.SetTimer(number, soaking->until);
    }
    if (turn.now() < soaking->until || !step.doubtful.empty()) return;
    // S9: nobody soaks unseen.
    if (HostsUp(turn.world, step) < HostsIn(step)) return;
    turn.Enter(number, Accepting{});
    if (AwaitsAcceptance(turn.world, number)) {
      turn.Say("task", turn.plan().name(number),
               absl::StrCat(turn.plan().name(number),
                            " has soaked and waits to be accepted"));
    }
  }
  if (In<Accepting>(step)) AdvanceAccepting(turn, number);
}

namespace {

bool AwaitsDecision(const Run& run, int number) {
  const Step& step = run.steps[number];
  const auto* accepting = std::get_if<Accepting>(&step.phase);
  return run.plan().planned_stage(step.gate).gate.confirm ==
             ConfirmRule::kByDecision &&
         (accepting == nullptr || !accepting->decided);
}

}  // namespace

bool AwaitsAcceptance(const World& world, int number) {
  const Run& run = *world.run;
  for (const PlannedTask& task : run.plan().planned(number).accept_tasks) {
    if (!run.tasks.contains(task.id)) return true;
  }
  return AwaitsDecision(run, number);
}

bool AsksToConfirm(const World& world, int stage, int round) {
  const Run& run = *world.run;
  if (run.plan().planned_stage(stage).gate.confirm !=
      ConfirmRule::kByDecision) {
    return false;
  }
  for (const int number : run.plan().stage(stage)) {
    const Step& step = run.steps[number];
    if (step.gate == stage && step.round == round && In<Accepting>(step) &&
        AwaitsDecision(run, number)) {
      return true;
    }
  }
  return false;
}

void WatchReported(Turn& turn, OrderKey key, const Pending& pending,
                   const OrderReported& report) {
  const int number = pending.step;
  if (In<Reconnected>(turn.step(number))) {
    // Watched anew under another plan.
    const auto* done = std::get_if<ChecksDone>(&report.detail);
    if (done == nullptr) return;
    for (const CheckReport& result : done->results) {
      SeeWatched(turn, number, report.host, result);
    }
    return;
  }
  auto* soaking = std::get_if<Soaking>(&turn.step(number).phase);
  if (soaking == nullptr || soaking->waiting.erase(key) == 0) return;
  turn.Touch(number);
  if (report.outcome != Outcome::kDone) {
    TakeHostOut(turn, number, report.host, Out::kFailed,
                absl::StrCat("it cannot be watched", Because(report.reason)));
    return;
  }
  if (const auto* done = std::get_if<ChecksDone>(&report.detail)) {
    for (const CheckReport& result : done->results) {
      SeeWatched(turn, number, report.host, result);
    }
  }
}

void ApplyWatchChanged(Turn& turn, const WatchChanged& event) {
  if (!turn.world.run.has_value()) return;
  const int number = turn.plan().FindStep(event.step);
  if (number < 0) return;
  const std::vector<PlannedCheck>& watch = turn.plan().planned(number).watch;
  const bool known = std::any_of(
      watch.begin(), watch.end(),
      [&](const PlannedCheck& check) { return check.id == event.report.id; });
  if (known) SeeWatched(turn, number, event.host, event.report);
}

void ConfirmReported(Turn& turn, OrderKey key, const Pending& pending,
                     const OrderReported& report) {
  const int number = pending.step;
  auto* accepting = std::get_if<Accepting>(&turn.step(number).phase);
  if (accepting == nullptr || accepting->waiting.erase(key) == 0) return;
  turn.Touch(number);
  if (report.outcome == Outcome::kDone) {
    accepting->confirmed.insert(report.host);
    return;
  }
  // Several hosts refuse one attempt.
  if (turn.now() < accepting->again) return;
  if (++accepting->refusals >= kConfirmRefusals) {
    FailStep(turn, number, Stop::kFailed,
             absl::StrCat(report.host.str(), " does not confirm its flows",
                          Because(report.reason)));
    return;
  }
  accepting->again = turn.now() + kConfirmAgain;
  turn.SetTimer(number, accepting->again);
}

void ExpireSteps(Turn& turn) {
  std::set<std::pair<absl::Time, int>>& timers = turn.world.step_timers;
  while (!timers.empty() && timers.begin()->first <= turn.now()) {
    const int number = timers.begin()->second;
    turn.SetTimer(number, absl::InfiniteFuture());
    turn.Touch(number);
  }
}

}  // namespace sluice::engine
