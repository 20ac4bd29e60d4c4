#include "orchestrator/engine/waits.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/hosts.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/state.h"

namespace sluice::engine {
namespace {

Wait Person(const std::string& on, std::string text) {
  return {"person", on, "", std::move(text)};
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
      return std::move(waits_);
    }
    if (In<Reconnected>(step_)) return {};
    if (run_.paused) {
      waits_.push_back({"person", "run", run_.paused_by.str(),
                        absl::StrCat("waits: ", run_.paused_by.str(),
                                     " paused the run; `sluice resume`")});
    }
    if (!run_.active) {
      waits_.push_back(Person("run", "waits for a run: this one has ended"));
      return std::move(waits_);
    }
    std::visit([this](const auto& phase) { Add(phase); }, step_.phase);
    if (waits_.empty()) {
      waits_.push_back(
          {"check", Name(), "", absl::StrCat("is ", PhaseName(step_.phase))});
    }
    return std::move(waits_);
  }

 private:
  const std::string& Name() const { return plan_.name(number_); }
  int Stage() const { return plan_.step(number_).stage; }

  void AddStop() {
    const bool gate =
        step_.stop == Stop::kRefused || step_.stop == Stop::kUnanswered;
    const std::string on =
        gate && Stage() >= 0 ? plan_.planned_stage(Stage()).id.str() : Name();
    const char* what = step_.stop == Stop::kIsolated       ? "is isolated"
                       : step_.stop == Stop::kFailed       ? "failed"
                       : step_.stop == Stop::kInconclusive ? "holds"
                                                           : "waits";
    waits_.push_back(Person(
        on, absl::StrCat(what, Because(step_.reason),
                         "; waits for a person: `sluice retry ", Name(), "`")));
  }

  void AddNeeds() {
    for (const NeedInfo& need : plan_.step(number_).needs) {
      if (!need.hard) continue;
      const bool met = IsHealthyNow(world_, need.step) &&
                       (!need.soaked || HasSoaked(run_.steps[need.step]));
      if (met) continue;
      waits_.push_back(
          {"need", plan_.name(need.step), "", NeedText(world_, need)});
    }
  }

  void AddHosts(const OrderSet& waiting, const char* doing) {
    std::set<HostId> hosts;
    for (const OrderKey& key : waiting) {
      const auto it = world_.orders.find(key);
      if (it != world_.orders.end()) hosts.insert(it->second.order.host);
    }
    for (const HostId& host : hosts) {
      if (world_.Connected(host)) {
        waits_.push_back(
            {"check", host.str(), "", absl::StrCat(doing, " on ", host.str())});
      } else {
        waits_.push_back(
            {"host", host.str(), "",
             absl::StrCat("waits for a host: ", AwayText(world_, host))});
      }
    }
  }

  void AddTasks(const std::vector<PlannedTask>& tasks) {
    for (const PlannedTask& task : tasks) {
      if (run_.tasks.contains(task.id)) continue;
      waits_.push_back(
          {"task", task.id.str(), task.owner.str(),
           absl::StrCat("waits for ", A(task.owner.str()), " to do and sign '",
                        task.what, "': `sluice done ", task.id.str(), "`")});
    }
  }

  void Add(const Quarantined&) {
    AddNeeds();
    if (Stage() < 0) {
      waits_.push_back(Person(Name(), "waits: no stage of the plan has it"));
      return;
    }
    const Gate& gate = run_.gates[Stage()];
    const std::string& name = plan_.planned_stage(Stage()).id.str();
    if (!gate.current) {
      for (int i = 0; i < Stage(); ++i) {
        if (run_.gates[i].unsettled == 0) continue;
        const std::string& before = plan_.planned_stage(i).id.str();
        waits_.push_back({"gate", before, "",
                          absl::StrCat("waits for stage '", before, "', where ",
                                       Count(run_.gates[i].unsettled, "step"),
                                       run_.gates[i].unsettled == 1
                                           ? " is still to come"
                                           : " are still to come")});
        return;
      }
    }
    for (const HostId& host : plan_.step(number_).all_hosts) {
      const Host* state = world_.FindHost(host);
      if (state != nullptr && state->isolating.has_value()) {
        waits_.push_back({"host", host.str(), "",
                          absl::StrCat("waits until ", host.str(),
                                       " has said that it is isolated")});
        continue;
      }
      if (world_.Connected(host) && state->never_isolated) {
        waits_.push_back(
            {"host", host.str(), "",
             absl::StrCat("waits for ", host.str(),
                          ", which was never isolated: `sluice isolate --host ",
                          host.str(), "`")});
        continue;
      }
      if (world_.Connected(host)) continue;
      waits_.push_back(
          {"host", host.str(), "",
           absl::StrCat("waits for a host: ", AwayText(world_, host))});
    }
    if (waits_.empty()) {
      waits_.push_back(
          {"gate", name, "",
           absl::StrCat("waits for the next round of gate '", name, "'")});
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
        waits_.push_back({"task", task.id.str(), task.owner.str(),
                          absl::StrCat("waits for its gate, which waits for ",
                                       A(task.owner.str()), " to do and sign '",
                                       task.what, "' of ", plan_.name(other))});
      }
    }
  }

  void Add(const Ready&) {
    const Round* round = RoundOf(run_, number_);
    if (round == nullptr) return;
    if (round->state != Round::State::kReleased) {
      const std::map<RoleId, int> missing = MissingVotes(
          plan_.planned_stage(Stage()).gate.approvals, round->votes);
      const std::string& name = plan_.planned_stage(Stage()).id.str();
      waits_.push_back(
          {"gate", name, QuorumText(missing),
           round->state == Round::State::kAsking
               ? absl::StrCat("waits for the gate '", name,
                              "': go still needed from ", QuorumText(missing))
               : absl::StrCat("waits for the gate '", name,
                              "': its hosts are asked first")});
      return;
    }
    AddNeeds();
    for (const auto& [host, part] : step_.parts) {
      if (!part.in || world_.Connected(host)) continue;
      waits_.push_back(
          {"host", host.str(), "",
           absl::StrCat("waits for a host: ", AwayText(world_, host))});
    }
    for (const int other : plan_.step(number_).group) {
      if (IsOpenOrLive(run_.steps[other])) continue;
      waits_.push_back(
          {"need", plan_.name(other), "",
           absl::StrCat("comes back together with ", plan_.name(other),
                        ", which is ", PhaseName(run_.steps[other].phase))});
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
      waits_.push_back({"host", host.str(), "",
                        absl::StrCat("waits for a host, its soak is not seen: ",
                                     AwayText(world_, host))});
    }
    if (!waits_.empty()) return;
    AddHosts(phase.waiting, "is being watched");
    for (const auto& [key, report] : step_.doubtful) {
      waits_.push_back({"check", key.second.str(), "",
                        absl::StrCat("soaks until ", key.second.str(), " on ",
                                     key.first.str(), " passes again",
                                     Because(report.result.reason))});
    }
    if (!waits_.empty() || phase.until == absl::InfiniteFuture()) return;
    waits_.push_back({"soak", Name(), "",
                      absl::StrCat("soaks until ", ClockText(phase.until))});
  }

  void Add(const Accepting& phase) {
    AddTasks(plan_.planned(number_).accept_tasks);
    if (waits_.empty() && AwaitsAcceptance(world_, number_)) {
      const PlannedStage& stage = plan_.planned_stage(Stage());
      waits_.push_back({"gate", stage.id.str(),
                        QuorumText(stage.gate.approvals),
                        absl::StrCat("waits to be confirmed by decision: "
                                     "`sluice go ",
                                     stage.id.str(), "`")});
    }
    AddHosts(phase.waiting, "is confirmed");
    if (waits_.empty() && phase.again > now_) {
      waits_.push_back(
          {"check", Name(), "", "waits to be confirmed: a host asked to wait"});
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

std::string GateStateText(const World& world, int stage, absl::Time now) {
  const Run& run = *world.run;
  const Gate& gate = run.gates[stage];
  const auto steps_text = [&](const std::vector<int>& steps) -> std::string {
    for (const int number : steps) {
      const std::vector<Wait> waits = WaitsOf(world, number, now);
      if (waits.empty()) continue;
      return absl::StrCat(run.plan().name(number), " ", waits[0].text);
    }
    return "";
  };
  if (gate.forming.has_value()) {
    const Round& round = *gate.forming;
    switch (round.state) {
      case Round::State::kInspecting:
      case Round::State::kProposing:
        return absl::StrCat("it is inspecting, round ", round.number,
                            Because(steps_text(round.steps)));
      case Round::State::kAsking: {
        const std::map<RoleId, int> missing = MissingVotes(
            run.plan().planned_stage(stage).gate.approvals, round.votes);
        return absl::StrCat("it asks until ", ClockText(round.deadline),
                            "; go still needed from ", QuorumText(missing));
      }
      case Round::State::kReleased:
      case Round::State::kRefused:
        return absl::StrCat("it was refused: ", round.why,
                            "; `sluice retry` asks again");
      case Round::State::kHeld:
        return absl::StrCat("it holds: ", round.why,
                            "; `sluice retry` asks again");
    }
  }
  const bool done =
      std::all_of(run.plan().stage(stage).begin(),
                  run.plan().stage(stage).end(), [&](int number) {
                    const Step& step = run.steps[number];
                    return In<Reconnected>(step) && step.stop == Stop::kNone;
                  });
  if (done) return "all of its steps are back";
  const std::string waits = steps_text(run.plan().stage(stage));
  const bool live = std::any_of(
      run.plan().stage(stage).begin(), run.plan().stage(stage).end(),
      [&](int number) { return run.steps[number].round > 0; });
  return absl::StrCat(live ? "it was released, round " : "it waits",
                      live ? absl::StrCat(gate.last_round) : "",
                      Because(waits));
}

std::string HeldText(const World& world) {
  const Run& run = *world.run;
  std::vector<std::string> held;
  for (int i = 0; i < run.plan().stages(); ++i) {
    const Gate& gate = run.gates[i];
    if (!gate.forming.has_value()) continue;
    const Round::State state = gate.forming->state;
    if (state == Round::State::kHeld) {
      held.push_back(absl::StrCat(
          "gate '", run.plan().planned_stage(i).id.str(),
          "' holds: ", gate.forming->why, "; `sluice retry` asks again"));
    } else if (state != Round::State::kRefused) {
      return "";  // something else goes on
    }
  }
  for (const Step& step : run.steps) {
    if (step.stop == Stop::kNone && !step.settled && !In<Quarantined>(step)) {
      return "";
    }
  }
  for (int i = 0; i < run.plan().size(); ++i) {
    const Step& step = run.steps[i];
    if (step.stop == Stop::kNone || step.stop == Stop::kUnanswered) continue;
    held.push_back(absl::StrCat(run.plan().name(i), Because(step.reason)));
  }
  return held.empty() ? std::string() : NameList(held, 3);
}

}  // namespace sluice::engine
