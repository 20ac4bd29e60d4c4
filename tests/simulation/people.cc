#include "tests/simulation/people.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/decision_text.h"
#include "tests/scenarios/fake_agent.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(2);
constexpr absl::Duration kPushEvery = absl::Seconds(15);

using Scope = engine::IsolationOrdered::Scope;

bool Has(const std::vector<RoleId>& roles, const RoleId& role) {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

}  // namespace

People::People(World& world, uint64_t seed)
    : world_(world), random_(seed, "people"), hands_(seed, "hands") {}

void People::Begin() {
  pushed_at_ = isolated_at_ = world_.now();
  world_.agenda().After(random_.Time(absl::Seconds(1), absl::Seconds(5)),
                        [this] { LookAgain(); });
}

void People::BecomeDiligent() {
  diligent_ = true;
  refusing = twice = 0;
  slow = absl::ZeroDuration();
}

std::vector<RoleId> People::RolesOf(const OperatorId& by) const {
  const Approver* approver = world_.plan().FindApprover(by);
  return approver == nullptr ? std::vector<RoleId>() : approver->roles;
}

absl::Duration People::Patience(Random& random) {
  if (diligent_) {
    return random.Time(absl::Milliseconds(500), absl::Seconds(3));
  }
  return random.Time(absl::Milliseconds(500), absl::Seconds(12)) +
         (slow > absl::ZeroDuration() ? random.Time(absl::ZeroDuration(), slow)
                                      : absl::ZeroDuration());
}

void People::LookAgain() {
  world_.agenda().After(kLookEvery, [this] { LookAgain(); });
  Orchestrator& orchestrator = world_.primary();
  orchestrator.Look([this, &orchestrator](const runtime::Glimpse& glimpse) {
    view_ = glimpse.engine.MakeView(glimpse.now);
    told_at_ = glimpse.now;
    world_.watchers().Looked(orchestrator, glimpse, view_);
    for (const engine::GateView& gate : view_.gates) {
      if (gate.body_digest.empty() || bodies_.contains(gate.body_digest)) {
        continue;
      }
      const auto detail = glimpse.engine.MakeGateDetail(gate.id, glimpse.now);
      if (detail.ok()) bodies_[gate.body_digest] = detail->body;
    }
    Answer(view_);
    if (world_.by_hand()) WorkByHand(view_);
    if (world_.by_hand()) LookInstead(view_);
    Push(view_);
  });
}

void People::Ask(engine::Event event) {
  const bool isolation =
      std::holds_alternative<engine::IsolationOrdered>(event);
  world_.agenda().After(
      random_.Time(absl::Milliseconds(1), absl::Milliseconds(60)),
      [this, event = std::move(event), isolation] {
        world_.primary().Ask(event, isolation);
      });
}

void People::Isolate(Scope scope, const SystemId& system, const HostId& host) {
  engine::IsolationOrdered order;
  order.scope = scope;
  order.system = system;
  order.host = host;
  order.by = world_.plan().approvers.front().id;
  order.reason = "drawn";
  order.confirmation = scope == Scope::kSystem ? system.str()
                       : scope == Scope::kHost ? host.str()
                                               : world_.plan().estate.str();
  world_.Trace("people", "isolate ",
               scope == Scope::kSystem ? system.str()
               : scope == Scope::kHost ? host.str()
               : scope == Scope::kRun  ? "the run"
                                       : "everything");
  Ask(order);
}

void People::Decide(const OperatorId& by, const engine::GateView& gate,
                    bool go) {
  engine::DecisionMade decision;
  decision.gate = gate.id;
  decision.round = gate.round;
  decision.by = by;
  decision.roles = RolesOf(by);
  decision.go = go;
  decision.reason = go ? "" : "drawn";
  decision.body_digest = gate.body_digest;
  // What only this person can make, over what they were shown.
  const auto body = bodies_.find(gate.body_digest);
  if (body != bodies_.end()) {
    decision.signature = testing::ToyDecision(
        by, gate.confirming ? ConfirmText(gate.body_digest) : body->second);
  }
  world_.Trace("people", by.str(), " says ", go ? "go" : "no-go", " to ",
               gate.id.str(), " ", gate.round);
  world_.watchers().Signed(decision);
  Ask(decision);
}

void People::Answer(const engine::View& view) {
  const absl::Time now = world_.now();
  const auto free = [&](const std::string& what, const OperatorId& who) {
    absl::Time& until = busy_[{what, who}];
    if (now < until) return false;
    until = now + absl::Seconds(10) + slow;
    return true;
  };
  for (const engine::GateView& gate : view.gates) {
    bool confirms = false;
    const PlannedStage* stage = world_.plan().FindStage(gate.id);
    if (stage != nullptr && stage->gate.confirm == ConfirmRule::kByDecision) {
      confirms = std::any_of(
          view.steps.begin(), view.steps.end(), [&](const auto& step) {
            return step.state == "accepting" &&
                   std::find(gate.steps.begin(), gate.steps.end(), step.id) !=
                       gate.steps.end();
          });
    }
    if (gate.state != "asking" && !confirms) continue;
    const std::map<RoleId, int>& wanted =
        gate.state == "asking" ? gate.missing : gate.quorum;
    for (const Approver& approver : world_.plan().approvers) {
      const bool asked = std::any_of(
          wanted.begin(), wanted.end(),
          [&](const auto& entry) { return Has(approver.roles, entry.first); });
      const bool voted =
          gate.state == "asking" &&
          std::any_of(gate.votes.begin(), gate.votes.end(),
                      [&](const auto& vote) { return vote.by == approver.id; });
      if (!asked || voted) continue;
      if (!free(absl::StrCat(gate.id.str(), "/", gate.body_digest),
                approver.id)) {
        continue;
      }
      const bool go = !(refusing > 0 && random_.Percent(refusing));
      const int times = twice > 0 && random_.Percent(twice) ? 2 : 1;
      for (int i = 0; i < times; ++i) {
        world_.agenda().After(
            Patience(random_), [this, by = approver.id, gate = gate, go, i] {
              // Twice: the second time the other way, now and then.
              Decide(by, gate, i == 0 ? go : go != random_.Percent(40));
            });
      }
    }
  }
  for (const engine::TaskView& task : view.tasks) {
    if (!task.wanted_now || task.done) continue;
    for (const Approver& approver : world_.plan().approvers) {
      if (!task.owner.empty() && !Has(approver.roles, task.owner)) continue;
      if (!free(task.id.str(), approver.id)) break;
      world_.agenda().After(
          Patience(random_), [this, by = approver.id, id = task.id] {
            world_.Trace("people", by.str(), " signs ", id.str());
            Ask(engine::TaskSigned{id, by, RolesOf(by), "done", ""});
          });
      break;
    }
  }
}

// Somebody isolates, starts the run, and keeps it going.
void People::Push(const engine::View& view) {
  const absl::Time now = world_.now();
  const OperatorId& by = random_.Pick(world_.plan().approvers).id;
  const bool active = view.run.state == "active" ||
                      view.run.state == "paused" || view.run.state == "held";
  if (!active) {
    const bool all =
        std::all_of(view.hosts.begin(), view.hosts.end(), [](const auto& host) {
          // A run that starts asks for the points that people work.
          return host.link == "manual" ||
                 (host.fence == "quarantined" && host.standing_flows == 0);
        });
    if (!all || !isolated_once_) {
      if (isolated_once_ && now - isolated_at_ < absl::Seconds(20)) return;
      isolated_once_ = true;
      isolated_at_ = now;
      Isolate(Scope::kAll, SystemId(), HostId());
      return;
    }
    if (now - pushed_at_ < absl::Seconds(4)) return;
    pushed_at_ = now;
    world_.Trace("people", by.str(), " starts a run");
    Ask(engine::RunStarted{RunId(), by});
    return;
  }
  finished_ =
      diligent_ && view.steps_done == view.steps_total && view.steps_total > 0;
  if (finished_ || now - pushed_at_ < kPushEvery) return;
  if (!diligent_ && random_.Percent(60)) return;
  pushed_at_ = now;
  if (view.run.state == "paused") {
    world_.Trace("people", by.str(), " resumes");
    Ask(engine::RunResumed{by});
    return;
  }
  // All that failed or never started.
  world_.Trace("people", by.str(), " retries");
  Ask(engine::RetryAsked{{}, by});
}

}  // namespace sluice::simulation
