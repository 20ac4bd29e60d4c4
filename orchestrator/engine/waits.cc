#include "orchestrator/engine/waits.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/hand.h"
#include "orchestrator/engine/hosts.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/state.h"

namespace sluice::engine {
namespace {

// A person has to do something about a step, or the run as a whole.
Wait Person(const char* on_kind, const std::string& on, std::string text,
            std::string next) {
  Wait wait;
  wait.kind = "person";
  wait.on_kind = on_kind;
  wait.on = on;
  wait.text = std::move(text);
  wait.next = std::move(next);
  return wait;
}

// What keeps a need from being well, in a few words.
std::string NeedText(const World& world, const NeedInfo& need) {
  const Run& run = *world.run;
  const Step& step = run.steps[need.step];
  const std::string& name = run.plan().name(need.step);
  if (step.stop == Stop::kFailed || step.stop == Stop::kIsolated) {
    return absl::StrCat("waits for ", name, ", which is ",
                        In<Quarantined>(step) ? "isolated" : "held",
                        Because(step.reason));
  }
  if (step.stop != Stop::kNone) {
    return absl::StrCat("waits for ", name,
                        ", which waits for a person: ", step.reason);
  }
  if (IsHealthy(step) && need.soaked && !HasSoaked(step)) {
    return absl::StrCat("waits until ", name, " has soaked");
  }
  if (IsHealthy(step) && !step.doubtful.empty()) {
    const auto& [key, report] = *step.doubtful.begin();
    return absl::StrCat("waits for ", name, ", where ", key.second.str(),
                        " on ", key.first.str(), " does not pass just now",
                        Because(report.result.reason));
  }
  if (IsHealthy(step)) {
    for (const auto& [host, part] : step.parts) {
      if (part.in && !world.Connected(host)) {
        return absl::StrCat("waits for ", name,
                            ", which is unknown: ", AwayText(world, host));
      }
    }
  }
  return absl::StrCat("waits for ", name, ", which is ", PhaseName(step.phase));
}

class Waits {
 public:
  Waits(const World& world, int number, absl::Time now)
      : world_(world),
        run_(*world.run),
        plan_(world.run->plan()),
        number_(number),
        step_(world.run->steps[number]),
        now_(now) {}

  std::vector<Wait> Find() {
    if (step_.stop != Stop::kNone) {
      AddStop();
      return Take();
    }
    if (In<Reconnected>(step_)) return {};
    if (run_.paused) {
      Wait& wait = Push(Person("run", "run",
                               absl::StrCat("waits: ", run_.paused_by.str(),
                                            " paused the run; `sluice resume`"),
                               "sluice resume"));
      wait.who = run_.paused_by.str();
      wait.since = run_.paused_at;
    }
    if (!run_.active) {
      Push(Person("run", "run", "waits for a run: this one has ended",
                  "sluice start"))
          .since = run_.ended;
      return Take();
    }
    std::visit([this](const auto& phase) { Add(phase); }, step_.phase);
    if (waits_.empty()) {
      Push("check", "step", Name(),
           absl::StrCat("is ", PhaseName(step_.phase)));
    }
    return Take();
  }

 private:
  const std::string& Name() const { return plan_.name(number_); }
  int Stage() const { return plan_.step(number_).stage; }
  const std::string& GateName() const {
    return plan_.planned_stage(Stage()).id.str();
  }

  Wait& Push(Wait wait) {
    waits_.push_back(std::move(wait));
    return waits_.back();
  }
  Wait& Push(const char* kind, const char* on_kind, const std::string& on,
             std::string text) {
    Wait wait;
    wait.kind = kind;
    wait.on_kind = on_kind;
    wait.on = on;
    wait.text = std::move(text);
    return Push(std::move(wait));
  }
  // What has no beginning of its own began when the step came to where it is.
  std::vector<Wait> Take() {
    for (Wait& wait : waits_) {
      if (wait.since == absl::InfinitePast()) wait.since = step_.since;
    }
    return std::move(waits_);
  }

  void AddStop() {
    const bool gate =
        step_.stop == Stop::kRefused || step_.stop == Stop::kUnanswered;
    const char* what = step_.stop == Stop::kIsolated       ? "is isolated"
                       : step_.stop == Stop::kFailed       ? "failed"
                       : step_.stop == Stop::kInconclusive ? "holds"
                                                           : "waits";
    const std::string next = absl::StrCat("sluice retry ", Name());
    std::string text = absl::StrCat(what, Because(step_.reason),
                                    "; waits for a person: `", next, "`");
    if (gate && Stage() >= 0) {
      Push(Person("gate", GateName(), std::move(text), next));
    } else {
      Push(Person("step", Name(), std::move(text), next));
    }
  }

  Wait& PushNeed(int other, std::string text) {
    Wait& wait = Push("need", "step", plan_.name(other), std::move(text));
    wait.since = run_.steps[other].since;
    wait.next = absl::StrCat("sluice show ", plan_.name(other));
    return wait;
  }

  void AddNeeds() {
    for (const NeedInfo& need : plan_.step(number_).needs) {
      if (!need.hard) continue;
      const bool met = IsHealthyNow(world_, need.step) &&
                       (!need.soaked || HasSoaked(run_.steps[need.step]));
      if (!met) PushNeed(need.step, NeedText(world_, need));
    }
  }

  void PushAway(const HostId& host, const char* waits) {
    Wait& wait = Push("host", "host", host.str(),
                      absl::StrCat(waits, AwayText(world_, host)));
    const Host* state = world_.FindHost(host);
    if (state != nullptr) wait.since = state->since;
    wait.next = absl::StrCat("sluice show ", host.str());
  }

  void PushByHand(const Pending& pending) {
    Wait& wait = Push("task", "host", pending.order.host.str(),
                      HandWaitText(world_, pending));
    wait.who = HandOwnerText(world_, pending.order.host);
    wait.since = pending.sent;
    wait.next = absl::StrCat("sluice task done ", pending.by_hand->id.str());
  }

  void AddHosts(const OrderSet& waiting, const char* doing) {
    std::map<HostId, absl::Time> hosts;  // since when
    for (const OrderKey& key : waiting) {
      const auto it = world_.orders.find(key);
      if (it == world_.orders.end()) continue;
      if (it->second.by_hand.has_value()) {
        PushByHand(it->second);
        continue;
      }
      const absl::Time sent = it->second.sent;
      auto& since =
          hosts.try_emplace(it->second.order.host, sent).first->second;
      since = std::min(since, sent);
    }
    for (const auto& [host, since] : hosts) {
      if (world_.Connected(host)) {
        Push("check", "host", host.str(),
             absl::StrCat(doing, " on ", host.str()))
            .since = since;
      } else {
        PushAway(host, "waits for a host: ");
      }
    }
  }

  void PushTask(const PlannedTask& task, const std::string& text) {
    Wait& wait = Push("task", "task", task.id.str(), text);
    wait.who = task.owner.str();
    wait.next = absl::StrCat("sluice done ", task.id.str());
  }

  void AddTasks(const std::vector<PlannedTask>& tasks) {
    for (const PlannedTask& task : tasks) {
      if (run_.tasks.contains(task.id)) continue;
      PushTask(task, absl::StrCat("waits for ", A(task.owner.str()),
                                  " to do and sign '", task.what,
                                  "': `sluice done ", task.id.str(), "`"));
    }
  }

  // Whether an earlier stage keeps its gate from asking.
  bool AddEarlierStage() {
    for (int i = 0; i < Stage(); ++i) {
      const int left = run_.gates[i].unsettled;
      if (left == 0) continue;
      const std::string& before = plan_.planned_stage(i).id.str();
      Push("gate", "gate", before,
           absl::StrCat("waits for stage '", before, "', where ",
                        Count(left, "step"),
                        left == 1 ? " is still to come" : " are still to come"))
          .next = absl::StrCat("sluice show ", before);
      return true;
    }
    return false;
  }

  void Add(const Quarantined&) {
    AddNeeds();
    if (Stage() < 0) {
      Push(Person("step", Name(), "waits: no stage of the plan has it",
                  "sluice replan MANIFEST"));
      return;
    }
    if (!run_.gates[Stage()].current && AddEarlierStage()) return;
    for (const HostId& host : plan_.step(number_).all_hosts) {
      const Host* state = world_.FindHost(host);
      if (state != nullptr && state->isolating.has_value()) {
        const Pending& pending = world_.orders.at(*state->isolating);
        if (pending.by_hand.has_value()) {
          PushByHand(pending);
          continue;
        }
        Push("host", "host", host.str(),
             absl::StrCat("waits until ", host.str(),
                          " has said that it is isolated"))
            .since = pending.sent;
        continue;
      }
      if (!world_.Connected(host)) {
        PushAway(host, "waits for a host: ");
      } else if (state->never_isolated) {
        Wait& wait = Push(
            "host", "host", host.str(),
            absl::StrCat("waits for ", host.str(),
                         ", which was never isolated: `sluice isolate --host ",
                         host.str(), "`"));
        wait.next = absl::StrCat("sluice isolate --host ", host.str());
      }
    }
    if (waits_.empty()) {
      Push("gate", "gate", GateName(),
           absl::StrCat("waits for the next round of gate '", GateName(), "'"));
    }
  }

  void Add(const Inspecting&) {
    AddTasks(plan_.planned(number_).inspect_tasks);
    const Round* round = RoundOf(run_, number_);
    if (round != nullptr) AddHosts(round->waiting, "is inspected");
    if (!waits_.empty() || round == nullptr) return;
    for (const int other : round->steps) {
      if (other == number_ || TasksDone(world_, other)) continue;
      for (const PlannedTask& task : plan_.planned(other).inspect_tasks) {
        if (run_.tasks.contains(task.id)) continue;
        PushTask(task, absl::StrCat("waits for its gate, which waits for ",
                                    A(task.owner.str()), " to do and sign '",
                                    task.what, "' of ", plan_.name(other)));
      }
    }
  }

  void AddAsking(const Round& round) {
    const std::map<RoleId, int> missing =
        MissingVotes(plan_.planned_stage(Stage()).gate.approvals, round.votes);
    const bool asks = round.state == Round::State::kAsking;
    Wait& wait = Push(
        "gate", "gate", GateName(),
        asks ? absl::StrCat("waits for the gate '", GateName(),
                            "': go still needed from ", QuorumText(missing))
             : absl::StrCat("waits for the gate '", GateName(),
                            "': its hosts are asked first"));
    wait.who = QuorumText(missing);
    if (!asks) return;
    wait.since = round.opened;
    wait.until = round.deadline;
    wait.next = absl::StrCat("sluice go ", GateName());
  }

  void Add(const Ready&) {
    const Round* round = RoundOf(run_, number_);
    if (round == nullptr) return;
    if (round->state != Round::State::kReleased) {
      AddAsking(*round);
      return;
    }
    AddNeeds();
    for (const auto& [host, part] : step_.parts) {
      if (!part.in || world_.Connected(host)) continue;
      PushAway(host, "waits for a host: ");
    }
    for (const int other : plan_.step(number_).group) {
      if (IsOpenOrLive(run_.steps[other])) continue;
      PushNeed(other,
               absl::StrCat("comes back together with ", plan_.name(other),
                            ", which is ", PhaseName(run_.steps[other].phase)));
    }
  }

  void Add(const Connecting& phase) {
    AddHosts(phase.waiting, "is connecting");
    if (waits_.empty()) AddNeeds();
  }
  void Add(const Probing& phase) {
    AddHosts(phase.waiting, "runs its health checks");
  }

  void Add(const Soaking& phase) {
    for (const auto& [host, part] : step_.parts) {
      if (!part.in || world_.Connected(host)) continue;
      PushAway(host, "waits for a host, its soak is not seen: ");
    }
    if (!waits_.empty()) return;
    AddHosts(phase.waiting, "is being watched");
    for (const auto& [key, report] : step_.doubtful) {
      Push("check", "check", key.second.str(),
           absl::StrCat("soaks until ", key.second.str(), " on ",
                        key.first.str(), " passes again",
                        Because(report.result.reason)))
          .next = absl::StrCat("sluice show ", key.first.str());
    }
    if (!waits_.empty() || phase.until == absl::InfiniteFuture()) return;
    Push("soak", "step", Name(),
         absl::StrCat("soaks until ", ClockText(phase.until)))
        .until = phase.until;
  }

  void Add(const Accepting& phase) {
    AddTasks(plan_.planned(number_).accept_tasks);
    if (waits_.empty() && AwaitsAcceptance(world_, number_)) {
      const std::string next = absl::StrCat("sluice go ", GateName());
      Wait& wait =
          Push("gate", "gate", GateName(),
               absl::StrCat("waits to be confirmed by decision: `", next, "`"));
      wait.who = QuorumText(plan_.planned_stage(Stage()).gate.approvals);
      wait.next = next;
    }
    AddHosts(phase.waiting, "is confirmed");
    if (waits_.empty() && phase.again > now_) {
      Push("check", "step", Name(),
           "waits to be confirmed: a host asked to wait")
          .until = phase.again;
    }
  }

  void Add(const Reconnected&) {}
  void Add(const Isolating& phase) { AddHosts(phase.waiting, "is closing"); }

  const World& world_;
  const Run& run_;
  const PlanIndex& plan_;
  const int number_;
  const Step& step_;
  const absl::Time now_;
  std::vector<Wait> waits_;
};

}  // namespace

std::vector<Wait> WaitsOf(const World& world, int number, absl::Time now) {
  return Waits(world, number, now).Find();
}

}  // namespace sluice::engine
