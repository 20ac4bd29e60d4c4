// Whether what a person asks for can be done now, and if not, what to do
// instead.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "orchestrator/engine/ending.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/hand.h"
#include "orchestrator/engine/isolation.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/state.h"
#include "orchestrator/engine/trust.h"
#include "orchestrator/engine/waits.h"
#include "orchestrator/engine/waivers.h"

namespace sluice::engine {
namespace {

template <class Items>
std::vector<std::string> Ids(const Items& items) {
  std::vector<std::string> ids;
  for (const auto& item : items) ids.push_back(item.id.str());
  return ids;
}

bool HasRole(const std::vector<RoleId>& roles, const RoleId& role) {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

bool HasVoted(const std::vector<Vote>& votes, const OperatorId& by) {
  return std::any_of(votes.begin(), votes.end(),
                     [&](const Vote& vote) { return vote.decision.by == by; });
}

class Admission {
 public:
  Admission(const World& world, absl::Time now) : world_(world), now_(now) {}

  // What hosts and the program say has happened already.
  template <class Fact>
  absl::Status operator()(const Fact&) const {
    return absl::OkStatus();
  }

  absl::Status operator()(const PlanAdopted& event) const {
    if (event.plan == nullptr) {
      return absl::InvalidArgumentError("a plan is adopted that is not there");
    }
    if (world_.plan == nullptr) return absl::OkStatus();
    const bool same = world_.plan->digest == event.plan->digest;
    if (!event.by.empty()) return CanReplan(event, same);
    if (world_.run_active() && !same) {
      return absl::FailedPreconditionError(absl::StrCat(
          "run ", world_.run->id.str(), " of plan ", world_.plan_number,
          " is active and the manifest now gives another plan: put it in "
          "force with `sluice replan`, or end the run first with `sluice "
          "end`"));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const IdentityChanged& event) const {
    return world_.identities.Admit(event, now_);
  }

  absl::Status operator()(const TrustChanged& event) const {
    return CheckTrustChange(world_, event, now_);
  }

  absl::Status operator()(const RunStarted& event) const {
    if (world_.plan == nullptr) {
      return absl::FailedPreconditionError(
          "no plan is in force: give the orchestrator a manifest");
    }
    if (event.run.empty()) {
      return absl::InvalidArgumentError("a run needs a name");
    }
    if (world_.run_active()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "run ", world_.run->id.str(), " is active since ",
          ClockText(world_.run->started),
          ": look at it with `sluice status`, or end it first with `sluice "
          "end`"));
    }
    if (world_.plan->steps.empty()) {
      return absl::FailedPreconditionError(
          "the manifest names no systems, so there is nothing to reconnect: "
          "add systems and their needs to it");
    }
    return AllIsolated();
  }

  absl::Status operator()(const DecisionMade& event) const {
    SLUICE_RETURN_IF_ERROR(RunIsActive("decide on"));
    const PlanIndex& plan = world_.run->plan();
    const int stage = plan.FindStage(event.gate);
    if (stage < 0) {
      return absl::NotFoundError(
          absl::StrCat("no gate is called '", event.gate.str(), "'",
                       DidYouMean(event.gate.str(), Ids(plan.plan().stages)),
                       " `sluice gates` lists them"));
    }
    SLUICE_RETURN_IF_ERROR(MayVote(event, stage));
    const Gate& gate = world_.run->gates[stage];
    for (const auto& [number, round] : gate.released) {
      if (round.digest == event.body_digest && event.go &&
          AsksToConfirm(world_, stage, number)) {
        return CanVote(event, round.confirm_votes);
      }
    }
    if (gate.forming.has_value() &&
        gate.forming->state == Round::State::kAsking) {
      return CanVoteIn(event, *gate.forming);
    }
    return absl::FailedPreconditionError(
        absl::StrCat("gate '", event.gate.str(),
                     "' is not open: ", GateStateText(world_, stage, now_)));
  }

  absl::Status operator()(const TaskSigned& event) const {
    SLUICE_RETURN_IF_ERROR(RunIsActive("sign"));
    const PlanIndex& plan = world_.run->plan();
    const TaskInfo* task = plan.FindTask(event.task);
    if (task == nullptr) {
      std::vector<std::string> known;
      for (const auto& [id, info] : plan.tasks()) known.push_back(id.str());
      return absl::NotFoundError(absl::StrCat(
          "no task is called '", event.task.str(), "'",
          DidYouMean(event.task.str(), known), " `sluice status` lists them"));
    }
    const RoleId& owner = task->task->owner;
    if (!owner.empty() && !HasRole(event.roles, owner) &&
        TaskDelegator(world_, event.by, owner, now_).empty()) {
      return absl::PermissionDeniedError(absl::StrCat(
          "task '", event.task.str(), "' is for ", A(owner.str()), ", and ",
          event.by.str(), " is not one: ask one to sign it"));
    }
    const auto done = world_.run->tasks.find(event.task);
    if (done != world_.run->tasks.end()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "task '", event.task.str(), "' was signed by ", done->second.by.str(),
          " at ", ClockText(done->second.at),
          " already; nothing is left to do for it"));
    }
    const Step& step = world_.run->steps[task->step];
    if (task->accept && !In<Soaking>(step) && !In<Accepting>(step)) {
      return absl::FailedPreconditionError(
          absl::StrCat("task '", event.task.str(), "' can be signed once ",
                       plan.name(task->step), " works; it is ",
                       PhaseName(step.phase), " now"));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const PointReported& event) const {
    return CheckPoint(world_, event, now_);
  }

  absl::Status operator()(const IsolationOrdered& event) const {
    if (world_.plan == nullptr) {
      return absl::FailedPreconditionError(
          "no plan is in force, so no hosts are known: give the orchestrator "
          "a manifest");
    }
    using Scope = IsolationOrdered::Scope;
    const Plan& plan = *world_.plan;
    if (event.scope == Scope::kHost && plan.FindHost(event.host) == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("no host is called '", event.host.str(), "'",
                       DidYouMean(event.host.str(), Ids(plan.hosts)),
                       " `sluice status` lists them"));
    }
    if (event.scope == Scope::kSystem &&
        world_.index->FindSystem(event.system) < 0) {
      return absl::NotFoundError(
          absl::StrCat("no system is called '", event.system.str(), "'",
                       DidYouMean(event.system.str(), SystemNames(plan)),
                       " `sluice plan` lists them"));
    }
    if (event.sensor_anew) SLUICE_RETURN_IF_ERROR(MayBeginSensor(event));
    return Confirmed(event);
  }

  absl::Status operator()(const RetryAsked& event) const {
    SLUICE_RETURN_IF_ERROR(RunIsActive("retry"));
    const PlanIndex& plan = world_.run->plan();
    if (event.steps.empty()) {
      for (const Step& step : world_.run->steps) {
        if (step.stop != Stop::kNone) return absl::OkStatus();
      }
      return absl::FailedPreconditionError(
          "nothing failed and nothing was held, so there is nothing to "
          "retry; `sluice status` says what waits for what");
    }
    for (const StepId& id : event.steps) {
      const int number = plan.FindStep(id);
      if (number < 0) {
        return absl::NotFoundError(
            absl::StrCat("nothing in the plan is called '", id.str(), "'",
                         DidYouMean(id.str(), Ids(plan.plan().steps)),
                         " `sluice plan` lists what is"));
      }
      if (world_.run->steps[number].stop == Stop::kNone &&
          !CanComeBackWhole(world_, number)) {
        return absl::FailedPreconditionError(DidNotFail(number));
      }
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const WaiverGiven& event) const {
    SLUICE_RETURN_IF_ERROR(RunIsActive("skip"));
    const PlanIndex& plan = world_.run->plan();
    const int number = plan.FindStep(event.step);
    if (number < 0) {
      return absl::NotFoundError(
          absl::StrCat("nothing in the plan is called '", event.step.str(), "'",
                       DidYouMean(event.step.str(), Ids(plan.plan().steps)),
                       " `sluice plan` lists what is"));
    }
    const std::vector<CheckId> failing = NotPassing(world_, number);
    const bool named = !event.check.empty();
    if (named && !RunsCheck(world_, number, event.check)) {
      return absl::NotFoundError(absl::StrCat(
          event.step.str(), " has no check '", event.check.str(), "'",
          DidYouMean(event.check.str(), Texts(failing)), " `sluice show ",
          event.step.str(), "` lists its checks"));
    }
    if (named ? std::find(failing.begin(), failing.end(), event.check) ==
                    failing.end()
              : failing.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(
          named ? event.check.str()
                : absl::StrCat("every check of ", event.step.str()),
          " passed when it last ran, or has not run yet, so there is nothing "
          "to skip; `sluice show ",
          event.step.str(), "` says what it waits for"));
    }
    return MayWaive(event, number);
  }

  absl::Status operator()(const RunPaused&) const {
    SLUICE_RETURN_IF_ERROR(RunIsActive("pause"));
    if (!world_.run->paused) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("the run is paused already, by ",
                     world_.run->paused_by.str(), ": `sluice resume` goes on"));
  }

  absl::Status operator()(const RunResumed&) const {
    SLUICE_RETURN_IF_ERROR(RunIsActive("resume"));
    if (world_.run->paused) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "the run is not paused; `sluice status` says what it waits for");
  }

  absl::Status operator()(const RunEnded& event) const {
    SLUICE_RETURN_IF_ERROR(RunIsActive("end"));
    if (!event.reason.empty()) return absl::OkStatus();
    const std::string unmet = CriteriaText(CriteriaOf(world_), false);
    if (unmet.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        unmet,
        ": say why the run ends all the same, with `sluice end --reason "
        "TEXT`"));
  }

 private:
  absl::Status CanReplan(const PlanAdopted& event, bool same) const {
    if (event.plan->estate != world_.plan->estate) {
      return absl::FailedPreconditionError(
          absl::StrCat("the manifest is of estate '", event.plan->estate.str(),
                       "' and this is '", world_.plan->estate.str(),
                       "': give it the manifest of this estate"));
    }
    if (same) {
      return absl::FailedPreconditionError(
          absl::StrCat("the manifest gives plan ", world_.plan_number,
                       ", which is in force already: nothing would change"));
    }
    if (world_.run_active() && event.plan->steps.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the manifest names no systems, and run ", world_.run->id.str(),
          " is active: end it first with `sluice end`"));
    }
    return absl::OkStatus();
  }

  static std::vector<std::string> SystemNames(const Plan& plan) {
    std::vector<std::string> names;
    for (const PlannedStep& step : plan.steps) {
      if (step.external.empty()) names.push_back(step.system.str());
    }
    return names;
  }

  absl::Status RunIsActive(absl::string_view what) const {
    if (world_.run_active()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("no run is active, so there is nothing to ", what,
                     ": `sluice start` begins one"));
  }

  absl::Status AllIsolated() const {
    std::vector<std::string> open;
    for (const PlannedHost& planned : world_.plan->hosts) {
      if (!planned.has_agent()) continue;
      const Host* host = world_.FindHost(planned.id);
      if (host == nullptr || !host->fence.has_value()) {
        open.push_back(absl::StrCat(planned.id.str(), " (never seen)"));
      } else if (!host->quarantined()) {
        open.push_back(absl::StrCat(planned.id.str(), " (open)"));
      } else if (std::any_of(host->fence->releases.begin(),
                             host->fence->releases.end(),
                             [](const FenceSeen::Release& release) {
                               return release.standing_flows > 0;
                             })) {
        open.push_back(absl::StrCat(planned.id.str(), " (reconnected)"));
      }
    }
    if (open.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "a run starts from isolated hosts, and ", open.size(),
        open.size() == 1 ? " is not: " : " are not: ", NameList(open),
        "; isolate first, with `sluice isolate --all`"));
  }

  // Whoever may decide the gate that the step comes back by; people decide on
  // it there all the same.
  absl::Status MayWaive(const WaiverGiven& event, int number) const {
    if (event.reason.empty()) {
      return absl::InvalidArgumentError(
          "say why it goes on without this check, with `--reason TEXT`: "
          "everybody who decides reads it");
    }
    if (event.until <= now_ || event.until > now_ + kLongestWaiver) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a waiver ends: give it a time after now and within ",
          absl::ToInt64Hours(kLongestWaiver), " hours, with `--until 2h`"));
    }
    const int stage = world_.run->plan().step(number).stage;
    if (stage < 0) return absl::OkStatus();
    const PlannedStage& planned = world_.run->plan().planned_stage(stage);
    for (const auto& [role, count] : planned.gate.approvals) {
      if (!HasRole(event.roles, role)) continue;
      if (!planned.gate.no_self_approval || event.by != world_.run->by) {
        return absl::OkStatus();
      }
      return absl::PermissionDeniedError(absl::StrCat(
          event.by.str(), " started the run, and gate '", planned.id.str(),
          "' lets nobody approve what they started: ask another ",
          QuorumText(planned.gate.approvals)));
    }
    return absl::PermissionDeniedError(
        absl::StrCat("a check of ", event.step.str(),
                     " is skipped by whoever decides gate '", planned.id.str(),
                     "' (", QuorumText(planned.gate.approvals), "), and ",
                     event.by.str(), " is none of them: ask one"));
  }

  absl::Status MayVote(const DecisionMade& event, int number) const {
    const PlannedStage& stage = world_.run->plan().planned_stage(number);
    const std::vector<StandsIn> stand_ins =
        StandInsOf(world_, event.by, number, now_);
    bool has_role = false;
    for (const auto& [role, count] : stage.gate.approvals) {
      has_role = has_role || HasRole(event.roles, role);
      for (const StandsIn& one : stand_ins) {
        has_role = has_role || HasRole(one.roles, role);
      }
    }
    if (!has_role) {
      return absl::PermissionDeniedError(
          absl::StrCat("gate '", stage.id.str(), "' is decided by ",
                       QuorumText(stage.gate.approvals), ", and ",
                       event.by.str(), " is none of them: ask one to decide"));
    }
    const bool planned = event.by == world_.run->planned_by;
    if (event.go && stage.gate.no_self_approval &&
        (planned || event.by == world_.run->by)) {
      return absl::PermissionDeniedError(
          absl::StrCat(event.by.str(),
                       planned ? " put the plan in force" : " started the run",
                       ", and gate '", stage.id.str(),
                       "' lets nobody approve what they started: ask another ",
                       QuorumText(stage.gate.approvals)));
    }
    return absl::OkStatus();
  }

  absl::Status CanVote(const DecisionMade& event,
                       const std::vector<Vote>& votes) const {
    if (!HasVoted(votes, event.by)) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        event.by.str(), " has decided on this round of gate '",
        event.gate.str(),
        "' already, and nobody counts twice: wait for the others"));
  }

  absl::Status CanVoteIn(const DecisionMade& event, const Round& round) const {
    if (now_ >= round.deadline) {
      return absl::FailedPreconditionError(
          absl::StrCat("gate '", event.gate.str(), "' asked until ",
                       ClockText(round.deadline),
                       " and holds now: `sluice retry` asks again"));
    }
    if (event.body_digest != round.digest || event.round != round.number ||
        !round.stale.empty() || now_ >= round.valid_until) {
      return absl::FailedPreconditionError(
          absl::StrCat("gate '", event.gate.str(),
                       "' changed since you looked: run `sluice show ",
                       event.gate.str(), "` and decide on what it says now"));
    }
    return CanVote(event, round.votes);
  }

  // Closing is anybody's; that a sign is not asked about any more is not.
  absl::Status MayBeginSensor(const IsolationOrdered& event) const {
    constexpr absl::string_view kInstead =
        ". Nothing was isolated; without --sensor-anew it can be at once";
    if (event.scope != IsolationOrdered::Scope::kHost) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a sensor begins anew on one host that somebody cleaned: name it "
          "with --host",
          kInstead));
    }
    if (event.roles.empty()) {
      return absl::PermissionDeniedError(absl::StrCat(
          "'", event.by.str(),
          "' has no role among the manifest's approvers and may isolate, not "
          "have a sensor begin anew; ask an approver",
          kInstead));
    }
    if (event.reason.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a sensor begins anew for a reason that stands in the record: say "
          "with --reason how ",
          event.host.str(), " was cleaned", kInstead));
    }
    const PlannedHost* host = world_.plan->FindHost(event.host);
    if (host->grade != Grade::kKernel) {
      return absl::FailedPreconditionError(absl::StrCat(
          event.host.str(), " runs no agent, so it has no sensor", kInstead));
    }
    return absl::OkStatus();
  }

  absl::Status Confirmed(const IsolationOrdered& event) const {
    const std::vector<std::string> names = ProtectedIn(world_, event);
    if (names.empty()) return absl::OkStatus();
    using Scope = IsolationOrdered::Scope;
    const std::string wanted =
        event.scope == Scope::kSystem ? event.system.str()
        : event.scope == Scope::kHost ? event.host.str()
                                      : world_.plan->estate.str();
    if (event.confirmation == wanted) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(NameList(names), names.size() == 1 ? " is" : " are",
                     " protected: ", BlastText(world_, event), ". Type '",
                     wanted, "' to confirm: `--confirm ", wanted, "`"));
  }

  std::string DidNotFail(int number) const {
    const std::string& name = world_.run->plan().name(number);
    if (In<Reconnected>(world_.run->steps[number])) {
      return absl::StrCat(name, " is back; there is nothing to retry");
    }
    const std::vector<Wait> waits = WaitsOf(world_, number, now_);
    return absl::StrCat(
        name, " did not fail",
        waits.empty() ? std::string() : absl::StrCat(": it ", waits[0].text));
  }

  const World& world_;
  const absl::Time now_;
};

}  // namespace

absl::Status Engine::Admit(const Event& event, absl::Time now) const {
  return std::visit(Admission(*state_, now), event);
}

}  // namespace sluice::engine
