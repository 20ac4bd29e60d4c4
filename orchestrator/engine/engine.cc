#include "orchestrator/engine/engine.h"

#include <algorithm>
#include <utility>

#include "common/digest.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/glass.h"
#include "orchestrator/engine/hand.h"
#include "orchestrator/engine/hosts.h"
#include "orchestrator/engine/isolation.h"
#include "orchestrator/engine/orders.h"
#include "orchestrator/engine/people.h"
#include "orchestrator/engine/refusals.h"
#include "orchestrator/engine/soak.h"
#include "orchestrator/engine/state.h"
#include "orchestrator/engine/trust.h"
#include "orchestrator/engine/turn.h"
#include "orchestrator/engine/waivers.h"

namespace sluice::engine {
namespace {

struct Apply {
  Turn& turn;

  void operator()(const ReignBegan& event) { ApplyReign(turn, event); }
  void operator()(const PlanAdopted& event) { ApplyPlan(turn, event); }
  void operator()(const RunStarted& event) { ApplyStart(turn, event); }
  void operator()(const AgentConnected& event) { ApplyConnected(turn, event); }
  void operator()(const AgentLost& event) { ApplyLost(turn, event); }
  void operator()(const OrderReported& event) {
    // Nobody but people speaks for a manual point.
    const Host* host = turn.world.FindHost(event.host);
    if (host == nullptr || !host->manual) ApplyReport(turn, event);
  }
  void operator()(const WatchChanged& event) { ApplyWatchChanged(turn, event); }
  void operator()(const LeaseLost& event) { ApplyLeaseLost(turn, event); }
  void operator()(const FenceChanged& event) { ApplyFenceChanged(turn, event); }
  void operator()(const DecisionMade& event) { ApplyDecision(turn, event); }
  void operator()(const TaskSigned& event) { ApplyTask(turn, event); }
  void operator()(const IsolationOrdered&) {}  // applied before all else
  void operator()(const RetryAsked& event) { ApplyRetry(turn, event); }
  void operator()(const WaiverGiven& event) { ApplyWaiver(turn, event); }
  void operator()(const RunPaused& event) { ApplyPause(turn, event); }
  void operator()(const RunResumed& event) { ApplyResume(turn, event); }
  void operator()(const RunEnded& event) { ApplyEnd(turn, event); }
  void operator()(const TimePassed&) {}
  void operator()(const IdentityChanged& event) { ApplyIdentity(turn, event); }
  void operator()(const TrustChanged& event) { ApplyTrust(turn, event); }
  void operator()(const AccessRefused& event) { ApplyRefusal(turn, event); }
  void operator()(const GlassBroken& event) { ApplyGlass(turn, event); }
  void operator()(const PointReported& event) { ApplyPoint(turn, event); }
};

}  // namespace

Engine::Engine() : state_(std::make_unique<State>()) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

Output Engine::Step(const Stamp& stamp, const Event& event) {
  Output output;
  Turn turn(*state_, stamp, output);
  // Time never runs backwards here, whatever the clock did.
  state_->now = std::max(state_->now, stamp.at);
  // S5: an isolation comes before all else, deadlines included.
  const auto* isolation = std::get_if<IsolationOrdered>(&event);
  if (isolation != nullptr && Admit(event, state_->now).ok()) {
    ApplyIsolation(turn, *isolation);
  }
  ExpireOrders(turn);
  ExpireLinks(turn);
  ExpireSteps(turn);
  ExpireWaivers(turn);
  ExpireGates(turn);
  // Total: what does not fit (any more) changes nothing.
  if (isolation == nullptr && Admit(event, state_->now).ok()) {
    std::visit(Apply{turn}, event);
  }
  turn.Settle();

  const absl::Time next = NextTimer(*state_);
  if (next != absl::InfiniteFuture()) output.next_deadline = next;
  return output;
}

std::vector<std::string> Engine::LiveReleases(const HostId& host,
                                              absl::Time now) const {
  std::vector<std::string> digests;
  if (!state_->run_active()) return digests;
  const Run& run = *state_->run;
  for (const int number : run.plan().StepsTouching(host)) {
    const auto& step = run.steps[number];
    const bool late =
        std::any_of(step.late.begin(), step.late.end(), [](const auto& entry) {
          return !entry.second.waiting.empty() ||
                 entry.second.stage != Late::Stage::kDone;
        });
    if (!IsLive(step) && !(In<Reconnected>(step) && late)) continue;
    if (step.opened.empty()) continue;
    const Round* round = RoundOf(run, number);
    if (round == nullptr || round->state != Round::State::kReleased) continue;
    if (now >= round->valid_until || !IsInRound(*round, host)) continue;
    digests.push_back(round->digest);
  }
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  return digests;
}

std::vector<Order> Engine::Outstanding(const HostId& host) const {
  std::vector<Order> orders;
  const Host* state = state_->FindHost(host);
  if (state == nullptr) return orders;
  for (const OrderKey& key : state->pending) {
    orders.push_back(state_->orders.at(key).order);
  }
  return orders;
}

bool Engine::Awaits(const HostId& host, const OrderId& order) const {
  const std::optional<OrderKey> key = ParseOrderId(order);
  if (!key.has_value()) return false;
  const auto it = state_->orders.find(*key);
  return it != state_->orders.end() && it->second.order.id == order &&
         it->second.order.host == host;
}

Engine::IsolationProgress Engine::IsolationSince(uint64_t sequence) const {
  IsolationProgress progress;
  for (const auto& [id, host] : state_->hosts) {
    if (host.isolation == 0 || host.isolation < sequence) continue;
    ++progress.hosts;
    if (host.sensor_anew.has_value() && !host.sensor_anew->done &&
        host.sensor_anew->sequence >= sequence &&
        host.isolation_orders.empty()) {
      progress.sensor_kept.push_back(id);
    }
    if (host.manual) {
      if (!host.isolation_orders.empty()) progress.by_hand.push_back(id);
      progress.said += host.isolation_orders.empty() ? 1 : 0;
      continue;
    }
    if (host.isolation_orders.empty()) {
      ++progress.read_back;
    } else if (host.connected()) {
      progress.waiting_for.push_back(id);
    } else {
      progress.unreachable.push_back(id);
    }
  }
  return progress;
}

uint64_t Engine::epoch() const { return state_->epoch; }
std::shared_ptr<const Plan> Engine::plan() const { return state_->plan; }
int Engine::plan_number() const { return state_->plan_number; }
const Identities& Engine::identities() const { return state_->identities; }
bool Engine::run_active() const { return state_->run_active(); }

std::string Engine::StateDigest() const { return Sha256(StateText(*state_)); }

}  // namespace sluice::engine
