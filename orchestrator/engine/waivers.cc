#include "orchestrator/engine/waivers.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/failure.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/people.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

bool Has(const std::vector<PlannedCheck>& checks, const CheckId& id) {
  return std::any_of(checks.begin(), checks.end(),
                     [&](const PlannedCheck& check) { return check.id == id; });
}

// The worst that hosts last said of a check: "fail on app-1: refused".
std::string LastSaid(const Step& step, const CheckId& id) {
  for (const auto& [key, report] : step.checks) {
    if (key.first != id || report.result.verdict == Verdict::kPass) continue;
    return absl::StrCat(VerdictName(report.result.verdict), " on ",
                        key.second.str(), Because(report.result.reason));
  }
  return "";
}

std::string WaiverText(const CheckId& id, const Waiver& waiver,
                       const std::string& said) {
  return absl::StrCat("waived until ", ClockText(waiver.until), ": ", id.str(),
                      said.empty() ? "" : absl::StrCat(" (", said, ")"),
                      ", by ", waiver.by.str(), Because(waiver.reason));
}

void WatchAgain(Turn& turn, int number) {
  Step& step = turn.step(number);
  const PlannedStep& planned = turn.plan().planned(number);
  for (const auto& [host, part] : step.parts) {
    if (!part.in) continue;
    const std::vector<PlannedCheck> watch = ToWatch(turn.world, number);
    turn.Send(host, Watch{planned.id, watch, planned.watch_every},
              ChecksDeadline(watch), Pending{});
  }
}

// What people were asked about is not the same any more (S10).
void VoidRoundOf(Turn& turn, int number, const std::string& why) {
  const Step& step = turn.step(number);
  const Round* round = RoundOf(turn.run(), number);
  if (round == nullptr || round->state == Round::State::kReleased) return;
  if (!In<Inspecting>(step) && !In<Ready>(step)) return;
  if (round->state == Round::State::kInspecting) return;
  VoidForming(turn, turn.plan().step(number).stage, why);
}

// Nor about what needs it: its gate shows what is waived below it.
void VoidRoundsAbove(Turn& turn, int number, const std::string& why) {
  const std::vector<int> above = turn.plan().step(number).hard_dependents;
  for (const int other : above) VoidRoundOf(turn, other, why);
}

// `anew`: nobody had waived it yet. More time for one that is waived changes
// nothing of what is watched, and so no soak begins again by it.
void GoOnWithout(Turn& turn, int number, const CheckId& id, bool anew) {
  Step& step = turn.step(number);
  VoidRoundsAbove(turn, number, absl::StrCat(id.str(), " was waived"));
  std::erase_if(step.doubtful,
                [&](const auto& entry) { return entry.first.second == id; });
  turn.Touch(number);
  if (step.stop == Stop::kFailed || step.stop == Stop::kInconclusive) {
    RetryStep(turn, number);
    return;
  }
  if (step.stop != Stop::kNone) return;
  VoidRoundOf(turn, number, absl::StrCat(id.str(), " was waived"));
  if (!anew || !Has(turn.plan().planned(number).watch, id)) return;
  if (In<Soaking>(step) || In<Accepting>(step)) {
    ForgetStepOrders(turn, number);
    StartSoak(turn, number);
  } else if (In<Reconnected>(step)) {
    WatchAgain(turn, number);
  }
}

// The waiver is gone: whatever went on by it stops where it is, for a person
// to look at; nothing is closed by the clock.
void StopGoingOn(Turn& turn, int number, const CheckId& id,
                 const std::string& why) {
  Step& step = turn.step(number);
  turn.Touch(number);
  VoidRoundsAbove(turn, number, why);
  if (step.stop != Stop::kNone) return;
  const std::string said = LastSaid(step, id);
  if (In<Inspecting>(step)) {
    VoidForming(turn, turn.plan().step(number).stage, why);
    return;
  }
  if (In<Ready>(step)) {
    const Round* round = RoundOf(turn.run(), number);
    if (round != nullptr && round->state == Round::State::kReleased) {
      step.reason = absl::StrCat(why, "; its gate asks again");
      step.round = 0;
      turn.Enter(number, Quarantined{});
    } else {
      VoidForming(turn, turn.plan().step(number).stage, why);
    }
    return;
  }
  if (!IsOpenOrLive(step)) return;
  const bool watched = Has(turn.plan().planned(number).watch, id);
  if (!said.empty()) {
    if (watched && In<Reconnected>(step)) WatchAgain(turn, number);
    HoldStep(turn, number, Stop::kFailed,
             absl::StrCat(why, ", and it is ", said));
  } else if (watched && (In<Soaking>(step) || In<Accepting>(step))) {
    ForgetStepOrders(turn, number);
    StartSoak(turn, number);
  } else if (watched && In<Reconnected>(step)) {
    WatchAgain(turn, number);
  }
}

void AddTexts(const World& world, int number, const std::string& before,
              std::vector<std::string>* texts) {
  for (const auto& [id, waiver] : world.run->waivers) {
    if (!RunsCheck(world, number, id)) continue;
    texts->push_back(absl::StrCat(
        before,
        WaiverText(id, waiver, LastSaid(world.run->steps[number], id))));
  }
}

}  // namespace

bool IsWaived(const World& world, const CheckId& check) {
  return world.run.has_value() && world.run->waivers.contains(check);
}

bool RunsCheck(const World& world, int number, const CheckId& check) {
  const PlanIndex& plan = world.run->plan();
  return Has(plan.planned(number).inspect, check) ||
         Has(*plan.step(number).health, check) ||
         Has(plan.planned(number).watch, check);
}

std::vector<CheckId> NotPassing(const World& world, int number) {
  std::set<CheckId> ids;
  for (const auto& [key, report] : world.run->steps[number].checks) {
    if (report.result.verdict != Verdict::kPass) ids.insert(key.first);
  }
  return {ids.begin(), ids.end()};
}

std::vector<PlannedCheck> ToWatch(const World& world, int number) {
  std::vector<PlannedCheck> watch = world.run->plan().planned(number).watch;
  std::erase_if(watch, [&](const PlannedCheck& check) {
    return IsWaived(world, check.id);
  });
  return watch;
}

void ApplyWaiver(Turn& turn, const WaiverGiven& event) {
  const int asked = turn.plan().FindStep(event.step);
  std::vector<CheckId> checks = {event.check};
  if (event.check.empty()) checks = NotPassing(turn.world, asked);
  std::set<CheckId> anew;
  for (const CheckId& id : checks) {
    if (!turn.run().waivers.contains(id)) anew.insert(id);
    const Waiver waiver{event.by, event.reason, event.until};
    turn.Say(
        "waiver", event.by.str(),
        absl::StrCat(turn.plan().name(asked), " goes on without a check, ",
                     WaiverText(id, waiver, LastSaid(turn.step(asked), id))));
    turn.run().waivers[id] = waiver;
  }
  for (int i = 0; i < turn.plan().size(); ++i) {
    for (const CheckId& id : checks) {
      if (!RunsCheck(turn.world, i, id)) continue;
      GoOnWithout(turn, i, id, anew.contains(id));
    }
  }
}

void ExpireWaivers(Turn& turn) {
  if (!turn.world.run_active()) return;
  std::map<CheckId, Waiver>& waivers = turn.run().waivers;
  for (auto it = waivers.begin(); it != waivers.end();) {
    if (it->second.until > turn.now()) {
      ++it;
      continue;
    }
    const CheckId id = it->first;
    const std::string why =
        absl::StrCat("the waiver of ", id.str(), " by ", it->second.by.str(),
                     " ended at ", ClockText(it->second.until));
    it = waivers.erase(it);
    turn.Say("waiver", "", why);
    for (int i = 0; i < turn.plan().size(); ++i) {
      if (RunsCheck(turn.world, i, id)) StopGoingOn(turn, i, id, why);
    }
  }
}

absl::Time NextWaiverEnds(const World& world) {
  absl::Time next = absl::InfiniteFuture();
  if (!world.run_active()) return next;
  for (const auto& [id, waiver] : world.run->waivers) {
    next = std::min(next, waiver.until);
  }
  return next;
}

std::vector<std::string> WaiverTexts(const World& world, int number) {
  std::vector<std::string> texts;
  if (!world.run.has_value() || world.run->waivers.empty()) return texts;
  const PlanIndex& plan = world.run->plan();
  AddTexts(world, number, "", &texts);
  for (const NeedInfo& need : plan.step(number).needs) {
    if (!need.hard) continue;
    AddTexts(world, need.step,
             absl::StrCat("it needs ", plan.name(need.step), ", "), &texts);
  }
  return texts;
}

}  // namespace sluice::engine
