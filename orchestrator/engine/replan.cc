#include "orchestrator/engine/replan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/hand.h"
#include "orchestrator/engine/isolation.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/renumber.h"
#include "orchestrator/engine/trust.h"
#include "orchestrator/engine/turn.h"
#include "orchestrator/engine/waivers.h"

namespace sluice::engine {
namespace {

using Kind = Fate::Kind;

// Closes grants of a step at those ends of theirs that `leaves` says.
template <class Leaves>
void WithdrawFrom(Turn& turn, int number, const std::vector<int>& grants,
                  const std::string& why, Leaves leaves) {
  const Round* round = RoundOf(turn.run(), number);
  std::map<HostId, std::set<GrantId>> by_host;
  for (const int grant : grants) {
    const GrantInfo& info = turn.plan().grant(grant);
    for (const std::vector<HostId>* ends : {&info.servers, &info.clients}) {
      for (const HostId& host : *ends) {
        if (round != nullptr && !round->hosts.contains(host)) continue;
        if (leaves(info.grant->id, host)) by_host[host].insert(info.grant->id);
      }
    }
  }
  for (const auto& [host, ids] : by_host) {
    const Host* state = turn.world.FindHost(host);
    if (state == nullptr || state->isolating.has_value()) continue;
    Pending meta;
    meta.purpose = Purpose::kWithdraw;
    turn.Send(host, Withdraw{{ids.begin(), ids.end()}, why}, absl::Seconds(30),
              std::move(meta));
  }
}

// An opening that waits for its host, or for an answer, may name a flow that
// the new plan has no longer: it is void, and what is left of it is asked anew.
void OpenAnewWithout(Turn& turn, int number, const std::set<GrantId>& gone) {
  auto* connecting = std::get_if<Connecting>(&turn.step(number).phase);
  if (connecting == nullptr) return;
  const bool names_one = std::any_of(
      connecting->waiting.begin(), connecting->waiting.end(),
      [&](const OrderKey& key) {
        const auto* open =
            std::get_if<OpenFlows>(&turn.world.orders.at(key).order.what);
        return open != nullptr &&
               std::any_of(
                   open->grants.begin(), open->grants.end(),
                   [&](const GrantId& grant) { return gone.contains(grant); });
      });
  if (!names_one) return;
  turn.ForgetAll(&connecting->waiting);
  connecting->sent = false;
}

// Flows that the new plan has no longer close; the step goes on.
void Narrow(Turn& turn, int number, const Fate& fate) {
  std::vector<int> grants;
  for (const GrantId& id : fate.change.gone) {
    const int grant = turn.plan().FindGrant(id);
    if (turn.step(number).opened.contains(grant)) grants.push_back(grant);
  }
  WithdrawFrom(turn, number, grants, fate.why,
               [](const GrantId&, const HostId&) { return true; });
  OpenAnewWithout(turn, number,
                  {fate.change.gone.begin(), fate.change.gone.end()});
  Step& step = turn.step(number);
  for (const int grant : grants) {
    step.opened.erase(grant);
    const auto late = step.late.find(grant);
    if (late == step.late.end()) continue;
    turn.ForgetAll(&late->second.waiting);
    step.late.erase(late);
  }
}

// It stays open for a person to decide, but not where the new plan has no end
// of its flows: nobody could close it there any more.
void HoldChanged(Turn& turn, const PlanIndex& after, int number,
                 const Fate& fate) {
  const std::set<int> opened = turn.step(number).opened;
  WithdrawFrom(turn, number, {opened.begin(), opened.end()}, fate.why,
               [&](const GrantId& id, const HostId& host) {
                 const int grant = after.FindGrant(id);
                 if (grant < 0) return true;
                 const GrantInfo& info = after.grant(grant);
                 return !std::binary_search(info.servers.begin(),
                                            info.servers.end(), host) &&
                        !std::binary_search(info.clients.begin(),
                                            info.clients.end(), host);
               });
  turn.step(number).lost_grants = true;
  if (turn.step(number).stop == Stop::kNone) {
    HoldStep(turn, number, Stop::kFailed, fate.why);
  }
}

// S10: what people decided, were asked or would have been asked about the
// stage is about something else now.
void VoidGate(Turn& turn, int stage, const std::string& why) {
  Gate& gate = turn.run().gates[stage];
  DropForming(turn, stage, why);
  gate.why = why;
  for (const int number : turn.plan().stage(stage)) {
    Step& step = turn.step(number);
    if (step.stop == Stop::kRefused || step.stop == Stop::kUnanswered) {
      turn.SetStop(number, Stop::kNone, why);
    }
    // Released, and nothing of it is open yet.
    if (!In<Ready>(step)) continue;
    step.round = 0;
    step.parts.clear();
    step.reason = why;
    turn.Enter(number, Quarantined{});
  }
}

void TellFates(Turn& turn, const PlanAdopted& event,
               const Replanning& replanning, const PlanIndex& after) {
  std::map<Kind, std::vector<std::string>> names;
  for (int i = 0; i < turn.plan().size(); ++i) {
    const Fate& fate = replanning.fates[i];
    names[fate.kind].push_back(turn.plan().name(i));
  }
  std::vector<std::string> joining;
  for (int i = 0; i < after.size(); ++i) {
    if (turn.plan().FindStep(after.planned(i).id) < 0) {
      joining.push_back(after.name(i));
    }
  }
  turn.Say("run", event.by.str(),
           absl::StrCat(event.by.str(), " put plan ", event.number,
                        " in force under run ", turn.run().id.str(), ": ",
                        Count(names[Kind::kKeeps].size(), "step"), " of ",
                        turn.plan().size(),
                        names[Kind::kKeeps].size() == 1 ? " goes" : " go",
                        " on as before"));
  const auto tell = [&](const std::vector<std::string>& of, const char* one,
                        const char* many) {
    if (of.empty()) return;
    turn.Say("run", "",
             absl::StrCat("plan ", event.number, ": ", NameList(of, 8), " ",
                          of.size() == 1 ? one : many));
  };
  tell(names[Kind::kNarrows], "goes on with other flows",
       "go on with other flows");
  tell(names[Kind::kStartsOver], "starts over under it", "start over under it");
  tell(names[Kind::kCloses], "closes, and its gate asks again",
       "close, and their gates ask again");
  tell(names[Kind::kLeaves], "leaves the run", "leave the run");
  tell(joining, "joins the run", "join the run");
}

void JoinHosts(Turn& turn, const Plan& plan) {
  for (const PlannedHost& planned : plan.hosts) {
    const auto [it, added] = turn.world.hosts.try_emplace(planned.id);
    Host& host = it->second;
    if (added) host.since = turn.now();
    if (host.must_be_quarantined) continue;
    if (host.quarantined()) {
      host.must_be_quarantined = true;
      continue;
    }
    host.never_isolated = true;
    if (!planned.has_agent()) continue;  // a person is asked; see hand.h
    turn.Say("host", planned.id.str(),
             absl::StrCat(planned.id.str(),
                          " joins the run and was never isolated; nothing on "
                          "it comes back before `sluice isolate --host ",
                          planned.id.str(), "`"));
  }
}

// A host that left closes when it can be reached; nobody waits for it. It may
// be gone for good, and that may be why it left.
void LetGo(Turn& turn, const std::vector<HostId>& hosts) {
  for (const HostId& id : hosts) {
    const OrderSet pending = turn.world.hosts[id].pending;
    for (const OrderKey& key : pending) {
      const std::vector<int> steps =
          std::exchange(turn.world.orders.at(key).steps, {});
      for (const int number : steps) StopWaitingFor(turn, number, key);
    }
    for (Step& step : turn.run().steps) step.parts.erase(id);
  }
}

// A task is done as long as it is the task that was signed for.
void ForgetChangedTasks(Turn& turn, const PlanIndex& before) {
  std::map<TaskId, Signature>& tasks = turn.run().tasks;
  for (auto it = tasks.begin(); it != tasks.end();) {
    const TaskInfo* was = before.FindTask(it->first);
    const TaskInfo* is = turn.plan().FindTask(it->first);
    const bool same =
        was != nullptr && is != nullptr && was->task->what == is->task->what &&
        was->task->owner == is->task->owner && was->accept == is->accept;
    it = same ? std::next(it) : tasks.erase(it);
  }
}

// What is back is watched as the new plan says.
void WatchByPlan(Turn& turn, int number) {
  Step& step = turn.step(number);
  const PlannedStep& planned = turn.plan().planned(number);
  std::erase_if(step.doubtful, [&](const auto& entry) {
    return std::none_of(planned.watch.begin(), planned.watch.end(),
                        [&](const PlannedCheck& check) {
                          return check.id == entry.first.second;
                        });
  });
  step.watched = !planned.watch.empty();
  for (const auto& [host, part] : step.parts) {
    if (!part.in) continue;
    Pending meta;
    meta.purpose = Purpose::kWatch;
    meta.step = number;
    const std::vector<PlannedCheck> watch = ToWatch(turn.world, number);
    turn.Send(host, Watch{planned.id, watch, planned.watch_every},
              ChecksDeadline(watch), std::move(meta));
  }
}

// The step under its new number.
void GoOn(Turn& turn, int number, const Fate& fate, int plan) {
  Step& step = turn.step(number);
  switch (fate.kind) {
    case Kind::kStartsOver:
    case Kind::kCloses:
      // S5: what a person isolated stays so until a person retries it.
      if (step.stop != Stop::kIsolated) {
        turn.SetStop(number, Stop::kNone, fate.why);
      }
      return;
    case Kind::kKeeps:
    case Kind::kNarrows:
      break;
    case Kind::kHolds:
    case Kind::kLeaves:
      return;
  }
  for (const GrantId& id : fate.change.soft) {
    const int grant = turn.plan().FindGrant(id);
    if (!IsOpenOrLive(step) || grant < 0) continue;
    step.closed.insert(grant);
    step.notes.push_back(
        absl::StrCat("its soft need ", id.str(), " came with plan ", plan,
                     "; `sluice retry ", turn.plan().name(number),
                     "` closes it and asks its gate for all of it"));
  }
  if (In<Reconnected>(step) && fate.change.watch) WatchByPlan(turn, number);
}

}  // namespace

void ApplyReplan(Turn& turn, const PlanAdopted& event) {
  World& world = turn.world;
  const auto before = world.index;
  const auto after = std::make_shared<PlanIndex>(event.plan);
  const Replanning replanning = Foresee(world, *after, event.number);
  TellFates(turn, event, replanning, *after);

  // Under the present plan's numbers: what it opened can only be closed by it.
  for (int i = 0; i < before->stages(); ++i) {
    const std::string& why = replanning.void_gate[i];
    if (!why.empty()) VoidGate(turn, i, why);
  }
  for (int i = 0; i < before->size(); ++i) {
    const Fate& fate = replanning.fates[i];
    if (fate.kind == Kind::kNarrows || fate.kind == Kind::kHolds) {
      Narrow(turn, i, fate);
    }
  }
  for (const auto& [number, reason] : replanning.closing) {
    if (turn.step(number).stop != Stop::kIsolated) {
      turn.SetStop(number, Stop::kNone, "");
    }
  }
  if (!replanning.closing.empty()) IsolateSteps(turn, replanning.closing);
  for (int i = 0; i < before->size(); ++i) {
    const Fate& fate = replanning.fates[i];
    if (fate.kind == Kind::kHolds) HoldChanged(turn, *after, i, fate);
  }
  const std::vector<HostId>& closing = replanning.closing_hosts;
  if (!closing.empty()) {
    IsolateHosts(turn, closing, Stop::kFailed,
                 absl::StrCat("plan ", event.number, " has it no longer"));
    turn.Say("isolation", "",
             absl::StrCat(NameList(Texts(closing), 8),
                          closing.size() == 1 ? " leaves" : " leave",
                          " the run and ", closing.size() == 1 ? "is" : "are",
                          " isolated"));
  }

  Renumber(turn, after);
  world.plan = event.plan;
  world.index = after;
  world.plan_number = event.number;
  turn.run().plan_number = event.number;
  turn.run().planned_by = event.by;
  JoinHosts(turn, *event.plan);
  NameManual(turn, *event.plan);
  ShowStandingToNew(turn, &before->plan());
  LetGo(turn, replanning.leaving);
  ForgetChangedTasks(turn, *before);
  for (int i = 0; i < before->size(); ++i) {
    const int number = after->FindStep(before->planned(i).id);
    if (number >= 0) GoOn(turn, number, replanning.fates[i], event.number);
  }
}

}  // namespace sluice::engine
