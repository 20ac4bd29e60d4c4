// What a new plan does to the run, before it is done: the same answer for the
// person who asks first and for the engine that does it.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/replan.h"
#include "orchestrator/engine/state.h"

namespace sluice::engine {
namespace {

using Kind = Fate::Kind;

class Foresight {
 public:
  Foresight(const World& world, const PlanIndex& after, int number)
      : world_(world),
        run_(*world.run),
        before_(world.run->plan()),
        after_(after),
        plan_(absl::StrCat("plan ", number)) {}

  Replanning Look() {
    LookAtGates();
    for (int i = 0; i < before_.size(); ++i) {
      out_.fates.push_back(FateOf(i));
    }
    for (int i = 0; i < before_.size(); ++i) Spread(i);
    for (int i = 0; i < before_.size(); ++i) {
      const Kind kind = out_.fates[i].kind;
      const bool closes = kind == Kind::kCloses || kind == Kind::kLeaves;
      if (!closes || !IsOpenOrLive(run_.steps[i])) continue;
      out_.closing.emplace(i, Reasoned{Stop::kNone, out_.fates[i].why});
    }
    HoldWhatLosesAFlow();
    LookAtHosts();
    return std::move(out_);
  }

 private:
  const Step& At(int number) const { return run_.steps[number]; }
  bool Open(int number) const { return IsOpenOrLive(At(number)); }

  void LookAtGates() {
    for (int i = 0; i < before_.stages(); ++i) {
      const PlannedStage& stage = before_.planned_stage(i);
      const int now = after_.FindStage(stage.id);
      out_.void_gate.push_back(
          now < 0 ? absl::StrCat(plan_, " has no stage '", stage.id.str(), "'")
          : after_.planned_stage(now).digest != stage.digest
              ? absl::StrCat(plan_, " changes what stage '", stage.id.str(),
                             "' is about")
              : std::string());
    }
  }

  Fate FateOf(int number) const {
    const PlannedStep& planned = before_.planned(number);
    const int now = after_.FindStep(planned.id);
    Fate fate;
    if (now < 0) {
      fate.kind = Kind::kLeaves;
      fate.why = absl::StrCat(plan_, " has it no longer");
      return fate;
    }
    const PlannedStep& next = after_.planned(now);
    fate.change = CompareSteps(before_.plan(), planned, after_.plan(), next);
    const bool moved = planned.stage != next.stage;
    std::vector<std::string> what = fate.change.what;
    if (moved) what.emplace_back("its stage");
    fate.why = absl::StrCat(plan_, " changes ", NameList(what));
    const Step& step = At(number);
    if (!Open(number)) {
      if (!what.empty()) {
        fate.kind = Kind::kStartsOver;
      } else if (GateIsVoidFor(number)) {
        fate.kind = Kind::kStartsOver;
        fate.why = out_.void_gate[before_.step(number).stage];
      } else {
        fate.why.clear();
      }
      return fate;
    }
    // On its way it follows the release order and the plan it began with; what
    // is back has its checks and its soak behind it.
    const bool covered =
        !fate.change.release &&
        (In<Reconnected>(step) ||
         (!fate.change.checks && !fate.change.watch && !moved));
    if (!covered) {
      const bool holds = next.on_failure == OnFailure::kHold;
      fate.kind = holds ? Kind::kHolds : Kind::kCloses;
    } else if (!fate.change.gone.empty() || !fate.change.soft.empty()) {
      fate.kind = Kind::kNarrows;
    } else if (what.empty()) {
      fate.why.clear();
    }
    return fate;
  }

  bool GateIsVoidFor(int number) const {
    const int stage = before_.step(number).stage;
    if (stage < 0 || out_.void_gate[stage].empty()) return false;
    const Step& step = At(number);
    return In<Inspecting>(step) || In<Ready>(step) ||
           step.stop == Stop::kRefused || step.stop == Stop::kUnanswered;
  }

  void Close(int number, const std::string& why) {
    Fate& fate = out_.fates[number];
    if (!Open(number) || fate.kind == Kind::kCloses ||
        fate.kind == Kind::kLeaves) {
      return;
    }
    fate.kind = Kind::kCloses;
    fate.why = why;
  }

  // What goes with a step that closes: as after a failure of it.
  void Spread(int number) {
    // Of those that close by themselves; what goes with one spreads no more.
    const Fate fate = out_.fates[number];
    const bool closes = fate.kind == Kind::kCloses && !spread_.contains(number);
    if (!closes && fate.kind != Kind::kHolds) return;
    const std::string why =
        absl::StrCat(before_.name(number), ", which it needs, ",
                     closes ? "closes" : "holds", ": ", fate.why);
    const auto with = [&](int other) {
      const Kind was = out_.fates[other].kind;
      Close(other, why);
      if (was != out_.fates[other].kind) spread_.insert(other);
    };
    const int now = after_.FindStep(before_.planned(number).id);
    const bool all =
        closes && after_.planned(now).on_failure != OnFailure::kIsolate;
    if (closes) {
      for (const int other : before_.step(number).group) with(other);
    }
    for (const int other : before_.BlastRadius(number)) {
      // S1: what is only opening never goes on without what it needs.
      const bool opening = In<Connecting>(At(other)) || In<Probing>(At(other));
      if ((all || opening) && StillNeeds(other)) with(other);
    }
  }

  // Those that leave need nothing; what they do is decided already.
  bool StillNeeds(int number) const {
    return out_.fates[number].kind != Kind::kLeaves;
  }

  void HoldWhatLosesAFlow() {
    for (const auto& [number, reason] : out_.closing) {
      if (before_.step(number).entry) continue;
      for (const int grant : before_.step(number).touching) {
        const GrantInfo& info = before_.grant(grant);
        const int owner = info.owner;
        if (owner < 0 || owner == number || !info.hard) continue;
        if (!At(owner).opened.contains(grant)) continue;
        Fate& fate = out_.fates[owner];
        const std::vector<GrantId>& gone = fate.change.gone;
        const bool closed =
            std::find(gone.begin(), gone.end(), info.grant->id) != gone.end();
        if (closed ||
            (fate.kind != Kind::kKeeps && fate.kind != Kind::kNarrows)) {
          continue;
        }
        fate.kind = Kind::kHolds;
        fate.why = absl::StrCat("its flow to ", before_.name(number),
                                " closes: ", reason.why);
      }
    }
  }

  void LookAtHosts() {
    for (const PlannedHost& host : before_.plan().hosts) {
      if (after_.plan().FindHost(host.id) != nullptr) continue;
      const Host* state = world_.FindHost(host.id);
      if (state == nullptr) continue;
      out_.leaving.push_back(host.id);
      // A host that never said a word holds nothing that we opened.
      if (state->fence.has_value()) {
        out_.closing_hosts.push_back(host.id);
      }
    }
    for (const PlannedHost& host : after_.plan().hosts) {
      if (before_.plan().FindHost(host.id) == nullptr) {
        out_.joining.push_back(host.id);
      }
    }
  }

  const World& world_;
  const Run& run_;
  const PlanIndex& before_;
  const PlanIndex& after_;
  const std::string plan_;
  std::set<int> spread_;
  Replanning out_;
};

const char* FateName(Kind kind) {
  switch (kind) {
    case Kind::kKeeps:
      return "keeps";
    case Kind::kNarrows:
      return "narrows";
    case Kind::kStartsOver:
      return "starts-over";
    case Kind::kCloses:
      return "closes";
    case Kind::kHolds:
      return "holds";
    case Kind::kLeaves:
      return "leaves";
  }
  return "keeps";
}

std::string JoiningText(const World& world, const Plan& plan,
                        const HostId& id) {
  const PlannedHost* planned = plan.FindHost(id);
  if (planned == nullptr || !planned->has_agent()) return "";
  const Host* host = world.FindHost(id);
  if (host == nullptr || host->link == Host::Link::kNever) {
    return "its agent has never connected";
  }
  return host->quarantined()
             ? "it is in quarantine"
             : absl::StrCat("it was never isolated: `sluice isolate --host ",
                            id.str(), "` after this");
}

}  // namespace

Replanning Foresee(const World& world, const PlanIndex& after, int number) {
  return Foresight(world, after, number).Look();
}

absl::StatusOr<ReplanView> Engine::PreviewPlan(std::shared_ptr<const Plan> plan,
                                               const OperatorId& by,
                                               absl::Time now) const {
  const World& world = *state_;
  PlanAdopted event;
  event.number = world.plan_number + 1;
  event.plan = plan;
  event.by = by;
  const absl::Status admitted = Admit(event, now);
  if (!admitted.ok()) return admitted;
  ReplanView view;
  view.plan_digest = plan->digest;
  view.plan_number = event.number;
  if (!world.run_active()) return view;
  view.run = world.run->id;
  const PlanIndex after(plan);
  const PlanIndex& before = world.run->plan();
  const Replanning replanning = Foresee(world, after, event.number);
  for (int i = 0; i < before.size(); ++i) {
    const Fate& fate = replanning.fates[i];
    view.steps.push_back({before.name(i), FateName(fate.kind),
                          PhaseName(world.run->steps[i].phase), fate.why});
  }
  for (int i = 0; i < after.size(); ++i) {
    if (before.FindStep(after.planned(i).id) >= 0) continue;
    view.steps.push_back({after.name(i), "joins", "", ""});
  }
  for (int i = 0; i < before.stages(); ++i) {
    if (replanning.void_gate[i].empty()) continue;
    const StageId& id = before.planned_stage(i).id;
    view.gates.push_back({id.str(), after.FindStage(id) < 0 ? "gone" : "void",
                          "", replanning.void_gate[i]});
  }
  for (int i = 0; i < after.stages(); ++i) {
    const StageId& id = after.planned_stage(i).id;
    if (before.FindStage(id) < 0)
      view.gates.push_back({id.str(), "new", "", ""});
  }
  for (const HostId& host : replanning.leaving) {
    const bool closes = std::find(replanning.closing_hosts.begin(),
                                  replanning.closing_hosts.end(),
                                  host) != replanning.closing_hosts.end();
    view.hosts.push_back(
        {host.str(), "leaves", "", closes ? "it is isolated" : ""});
  }
  for (const HostId& host : replanning.joining) {
    view.hosts.push_back(
        {host.str(), "joins", "", JoiningText(world, after.plan(), host)});
  }
  const auto by_name = [](const ReplanView::Line& a,
                          const ReplanView::Line& b) {
    return a.name < b.name;
  };
  std::sort(view.steps.begin(), view.steps.end(), by_name);
  std::sort(view.hosts.begin(), view.hosts.end(), by_name);
  return view;
}

}  // namespace sluice::engine
