#include "orchestrator/engine/people.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/connect.h"
#include "orchestrator/engine/ending.h"
#include "orchestrator/engine/failure.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/hand.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/replan.h"
#include "orchestrator/engine/trust.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

// Orders of a run that is over are no longer wanted; what closes goes on, but
// nobody waits for it.
void ForgetRunOrders(Turn& turn) {
  std::vector<OrderKey> keys;
  for (auto& [key, pending] : turn.world.orders) {
    pending.steps.clear();
    if (pending.purpose != Purpose::kIsolate &&
        pending.purpose != Purpose::kWithdraw &&
        pending.purpose != Purpose::kTrust &&
        pending.purpose != Purpose::kNothing) {
      keys.push_back(key);
    }
  }
  for (const OrderKey& key : keys) turn.Forget(key);
  turn.world.step_timers.clear();
}

// Whether the release order the step was opened by still opens all of it.
bool IsCovered(Turn& turn, int number) {
  const Round* round = RoundOf(turn.run(), number);
  if (round == nullptr || turn.now() >= round->valid_until) return false;
  const Step& step = turn.step(number);
  if (!step.shut_servers.empty() || !step.withdrawn.empty()) return false;
  for (const int other : turn.plan().step(number).group) {
    if (!IsOpenOrLive(turn.step(other))) return false;
  }
  const std::vector<HostId>& hosts = turn.plan().step(number).all_hosts;
  return std::none_of(hosts.begin(), hosts.end(), [&](const HostId& host) {
    return !IsInRound(*round, host);
  });
}

}  // namespace

void RetryStep(Turn& turn, int number) {
  Step& step = turn.step(number);
  if (step.stop == Stop::kNone) {
    if (CanComeBackWhole(turn.world, number)) {
      FailStep(turn, number, Stop::kNone,
               "retried to bring back what is missing of it");
    }
    return;
  }
  const std::string was = step.reason;
  const bool lost = step.lost_grants;
  turn.SetStop(number, Stop::kNone, "");
  if (!IsOpenOrLive(step)) return;
  const Round* round = RoundOf(turn.run(), number);
  // It was held with its flows open: the same release order still covers them.
  if (IsCovered(turn, number) && !lost && IsLive(step)) {
    for (auto& [host, part] : step.parts) {
      if (IsInRound(*round, host) && turn.world.Connected(host)) part = Part{};
    }
    ForgetStepOrders(turn, number);
    step.late.clear();
    turn.Enter(number, Connecting{});
    return;
  }
  FailStep(turn, number, Stop::kNone,
           absl::StrCat("retried after: ", was.empty() ? "a hold" : was));
}

void ApplyPlan(Turn& turn, const PlanAdopted& event) {
  World& world = turn.world;
  if (event.plan == nullptr) return;
  if (world.plan != nullptr && world.plan->digest == event.plan->digest) {
    return;  // what a restarted orchestrator adopts again
  }
  if (world.run_active()) {
    ApplyReplan(turn, event);
    return;
  }
  ForgetRunOrders(turn);
  world.run.reset();
  const std::shared_ptr<const Plan> before = world.plan;
  world.plan = event.plan;
  world.plan_number = event.number;
  world.index = std::make_shared<PlanIndex>(event.plan);
  for (const PlannedHost& host : event.plan->hosts) {
    const auto [it, added] = world.hosts.try_emplace(host.id);
    if (added) it->second.since = turn.now();
  }
  NameManual(turn, *event.plan);
  ShowStandingToNew(turn, before.get());
  turn.Say("run", event.by.str(),
           absl::StrCat("plan ", event.number, " is in force: ",
                        Count(event.plan->steps.size(), "step"), " in ",
                        Count(event.plan->stages.size(), "stage"), " on ",
                        Count(event.plan->hosts.size(), "host")));
}

void ApplyStart(Turn& turn, const RunStarted& event) {
  World& world = turn.world;
  ForgetRunOrders(turn);
  Run& run = world.run.emplace();
  run.id = event.run;
  run.by = event.by;
  run.started = turn.now();
  run.plan_number = world.plan_number;
  run.index = world.index;
  run.steps.resize(world.index->size());
  run.gates.resize(world.index->stages());
  for (Step& step : run.steps) step.since = turn.now();
  for (int i = 0; i < world.index->stages(); ++i) {
    run.gates[i].id = world.index->planned_stage(i).id;
    run.gates[i].unsettled = static_cast<int>(world.index->stage(i).size());
  }
  for (const PlannedHost& host : world.plan->hosts) {
    if (host.has_agent()) {
      world.hosts[host.id].must_be_quarantined = true;
      world.hosts[host.id].never_isolated = false;
    }
  }
  turn.Say("run", event.by.str(),
           absl::StrCat("run ", event.run.str(), " was started by ",
                        event.by.str()));
  turn.TouchAllAnew();
  CloseManual(turn);
}

void ApplyTask(Turn& turn, const TaskSigned& event) {
  const TaskInfo* task = turn.plan().FindTask(event.task);
  if (task == nullptr) return;
  const RoleId& owner = task->task->owner;
  std::string note = event.note;
  if (!owner.empty() && std::find(event.roles.begin(), event.roles.end(),
                                  owner) == event.roles.end()) {
    // Admitted all the same: somebody gave them this.
    note = absl::StrCat(
        "stands in for ",
        TaskDelegator(turn.world, event.by, owner, turn.now()).str(),
        note.empty() ? "" : "; ", note);
  }
  turn.run().tasks[event.task] = {event.by, turn.now(), note,
                                  event.attachment_digest};
  turn.Say("task", event.by.str(),
           absl::StrCat(event.by.str(), " signed '", task->task->what, "' for ",
                        turn.plan().name(task->step), Because(note)));
  turn.Touch(task->step);
}

void ApplyRetry(Turn& turn, const RetryAsked& event) {
  std::vector<int> steps;
  if (event.steps.empty()) {
    for (int i = 0; i < turn.plan().size(); ++i) {
      if (turn.step(i).stop != Stop::kNone) steps.push_back(i);
    }
  }
  for (const StepId& id : event.steps)
    steps.push_back(turn.plan().FindStep(id));
  std::vector<std::string> names;
  for (const int number : steps) names.push_back(turn.plan().name(number));
  turn.Say("run", event.by.str(),
           absl::StrCat(event.by.str(), " retries ", NameList(names)));
  for (const int number : steps) RetryStep(turn, number);
}

void ApplyPause(Turn& turn, const RunPaused& event) {
  turn.run().paused = true;
  turn.run().paused_by = event.by;
  turn.run().paused_at = turn.now();
  turn.Say("hold", event.by.str(),
           absl::StrCat(event.by.str(),
                        " paused the run: nothing more opens, starts or is "
                        "confirmed; `sluice resume` goes on"));
}

void ApplyResume(Turn& turn, const RunResumed& event) {
  turn.run().paused = false;
  turn.Say("run", event.by.str(),
           absl::StrCat(event.by.str(), " resumed the run"));
  turn.TouchAll();
}

void ApplyEnd(Turn& turn, const RunEnded& event) {
  Run& run = turn.run();
  run.end_criteria = CriteriaOf(turn.world);
  const std::string why = absl::StrCat("the run was ended by ", event.by.str(),
                                       Because(event.reason));
  for (int i = 0; i < turn.plan().stages(); ++i) {
    Gate& gate = run.gates[i];
    if (!gate.forming.has_value()) continue;
    turn.ForgetAll(&gate.forming->waiting);
    for (const int number : gate.forming->steps) {
      Step& step = turn.step(number);
      if (!In<Inspecting>(step) && !In<Ready>(step)) continue;
      step.round = 0;
      turn.Enter(number, Quarantined{});
    }
    gate.forming.reset();
  }
  // What was not confirmed does not stay open without a run to watch it.
  std::map<int, Reasoned> unconfirmed;
  for (int i = 0; i < turn.plan().size(); ++i) {
    if (IsLive(turn.step(i)) || In<Ready>(turn.step(i))) {
      unconfirmed.emplace(i, Reasoned{Stop::kNone, why});
    }
  }
  if (!unconfirmed.empty()) IsolateSteps(turn, unconfirmed);
  run.active = false;
  run.paused = false;
  run.ended = turn.now();
  run.end_reason = event.reason;
  turn.Say("run", event.by.str(), why);
  const std::string met = CriteriaText(run.end_criteria, true);
  const std::string unmet = CriteriaText(run.end_criteria, false);
  turn.Say("run", event.by.str(),
           absl::StrCat("when it ended", Because(met),
                        unmet.empty() ? "" : "; not so: ", unmet));
}

void ApplyIdentity(Turn& turn, const IdentityChanged& event) {
  turn.world.identities.Apply(event, turn.now());
  turn.Say("identity",
           event.by.empty() ? absl::StrCat("host ", event.host.str())
                            : event.by.str(),
           InWords(event));
  // A machine that was built anew has forgotten what it was shown.
  if (event.what == IdentityChanged::What::kEnrolled) {
    ShowStanding(turn, event.host);
  }
}

}  // namespace sluice::engine
