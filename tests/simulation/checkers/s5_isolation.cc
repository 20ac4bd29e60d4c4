// S5: what people isolate is ordered in the same turn, journal or not, ahead of
// all else that leaves in it, is obeyed in any epoch and at once, whatever else
// the host has in hand, and is acknowledged only with the fence up.

#include "absl/strings/str_cat.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

using Scope = engine::IsolationOrdered::Scope;

class IsolationFirst : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S5"; }

  void OrderLeft(const Orchestrator& orchestrator, uint64_t,
                 const engine::Order& order) override {
    if (orchestrator.number() != 0) return;
    if (std::holds_alternative<engine::IsolateHost>(order.what)) {
      told_.insert(order.host);
      if (left_.empty()) return;
      Violate(absl::StrCat(order.host.str(),
                           " is told to isolate itself after ", left_,
                           " left with the same write"));
    } else {
      left_ = order.id.str();
    }
  }
  void TurnEnded(const Orchestrator& orchestrator,
                 const runtime::Glimpse&) override {
    if (orchestrator.number() == 0) left_.clear();
  }
  void Welcomed(const Orchestrator& orchestrator, const HostId& host,
                uint64_t) override {
    if (orchestrator.number() == 0) attached_.insert(host);
  }
  void Recorded(const Orchestrator& orchestrator, const journal::Record& record,
                const engine::Event& event) override {
    if (orchestrator.number() != 0) return;
    if (const auto* word = std::get_if<engine::PointReported>(&event)) {
      spoken_[word->host] = record.sequence;
    }
    // What left before left with an earlier write.
    left_.clear();
    if (const auto* lost = std::get_if<engine::AgentLost>(&event)) {
      Forget(lost->host);
    } else if (std::holds_alternative<engine::ReignBegan>(event)) {
      // It hangs up on everybody; who attaches again is told then.
      attached_.clear();
      told_.clear();
    } else if (const auto* report =
                   std::get_if<engine::OrderReported>(&event)) {
      if (ordered_.contains({report->host, report->order.str()})) {
        told_.erase(report->host);
      }
    }
  }
  void Died(const Orchestrator& orchestrator) override {
    if (orchestrator.number() != 0) return;
    attached_.clear();
    told_.clear();
    left_.clear();
    by_hand_.clear();
  }

  void Answered(const Orchestrator& orchestrator, const engine::Event& event,
                const runtime::Answer& answer) override {
    const auto* order = std::get_if<engine::IsolationOrdered>(&event);
    if (order == nullptr || !answer.status.ok()) return;
    for (const PlannedHost& host : world_.plan().hosts) {
      const bool meant =
          order->scope == Scope::kAll ||
          (order->scope == Scope::kHost && order->host == host.id);
      // People are asked by the end of the turn; see Asked().
      if (meant && !host.has_agent() && answer.recorded &&
          orchestrator.number() == 0) {
        by_hand_[host.id] = answer.sequence;
      }
      if (!meant || told_.contains(host.id)) continue;
      if (!attached_.contains(host.id) || !orchestrator.Attached(host.id)) {
        continue;
      }
      return Violate(absl::StrCat("'isolated' was answered and ", host.id.str(),
                                  " was not told"));
    }
  }

  // Who works a point is asked to close it, unless they have spoken since.
  void Asked(const Orchestrator& orchestrator,
             const std::vector<engine::PointTaskView>& tasks) override {
    if (orchestrator.number() != 0) return;
    for (const auto& [host, sequence] : std::exchange(by_hand_, {})) {
      const bool asked = std::any_of(
          tasks.begin(), tasks.end(), [&](const engine::PointTaskView& task) {
            return task.host == host && task.verb == "isolate";
          });
      if (asked || spoken_[host] > sequence) continue;
      return Violate(
          absl::StrCat("'isolated' was answered and nobody is asked "
                       "to close ",
                       host.str()));
    }
  }

  void OrderArrived(const Host& host, const agent::Order& order) override {
    if (std::holds_alternative<agent::IsolateHost>(order.what)) {
      const bool first = isolations_.insert({host.id(), order.id}).second;
      if (first && welcomed_.contains(host.id())) ExpectSoon(host);
      // As the orchestrator's own records name it.
      ordered_.insert(
          {host.id(), order.id.str().substr(0, order.id.str().find('~'))});
    }
  }

  // Nothing is obeyed on a stream before its welcome.
  void AgentStarted(const Host& host) override { welcomed_.erase(host.id()); }
  void WelcomeArrived(const Host& host, uint64_t) override {
    welcomed_.insert(host.id());
  }
  void Opened(const Host& host, const std::vector<Opening>&) override {
    ++opened_[host.id()];
  }

  void SaidBy(const Host& host, const agent::Message& message) override {
    if (std::holds_alternative<agent::Hello>(message)) {
      welcomed_.erase(host.id());
    }
    const auto* report = std::get_if<agent::Report>(&message);
    if (report == nullptr) return;
    if (!isolations_.contains({host.id(), report->order})) return;
    if (report->outcome == agent::Outcome::kRefused) {
      return Violate(absl::StrCat(host.id().str(),
                                  " refuses to be isolated: ", report->reason));
    }
    if (report->outcome != agent::Outcome::kDone) return;
    if (!host.quarantined()) {
      return Violate(absl::StrCat(host.id().str(),
                                  " says it is isolated and has no fence"));
    }
    // A repeated answer comes later, and flows may be open again by then.
    if (!done_.insert({host.id(), report->order}).second) return;
    if (!host.OpenFlows().empty()) {
      Violate(absl::StrCat(host.id().str(),
                           " says it is isolated and has flows open"));
    }
  }

 private:
  // A disk that does not answer has half a second, for the one before; an
  // appliance has what its driver takes.
  void ExpectSoon(const Host& host) {
    if (host.kernel().troubled() || host.driven()) return;
    const int troubles = host.kernel().troubles();
    const uint64_t life = host.life();
    const int opened = opened_[host.id()];
    world_.agenda().After(absl::Seconds(1), [this, &host, life, opened,
                                             troubles] {
      if (!host.running() || host.life() != life) return;
      const Kernel& kernel = host.kernel();
      const bool closed = kernel.quarantined() && kernel.OpenFlows().empty();
      if (closed || kernel.troubles() != troubles) return;
      if (opened_[host.id()] != opened) return;
      Violate(absl::StrCat(host.id().str(), " was told to isolate itself a ",
                           "second ago, and is not isolated"));
    });
  }
  void Forget(const HostId& host) {
    attached_.erase(host);
    told_.erase(host);
  }

  std::string left_;           // with this write, and isolates nothing
  std::set<HostId> told_;      // and has not reported since
  std::set<HostId> attached_;  // welcomed
  std::map<HostId, uint64_t> by_hand_;  // isolated by this record
  std::map<HostId, uint64_t> spoken_;   // of it, by this record
  std::map<HostId, int> opened_;
  std::set<HostId> welcomed_;
  std::set<std::pair<HostId, agent::OrderId>> isolations_;
  std::set<std::pair<HostId, std::string>> ordered_;
  std::set<std::pair<HostId, agent::OrderId>> done_;
};

}  // namespace

std::unique_ptr<Checker> MakeIsolationChecker(World& world) {
  return std::make_unique<IsolationFirst>(world);
}

}  // namespace sluice::simulation
