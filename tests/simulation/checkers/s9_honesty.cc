// S9: what people are shown is not better than the truth: a lost agent is no
// success, isolated is what was read back, and what cannot be tried is untried.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class Honesty : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S9"; }

  void Recorded(const Orchestrator& orchestrator, const journal::Record&,
                const engine::Event& event) override {
    if (orchestrator.number() != 0) return;
    if (const auto* lost = std::get_if<engine::AgentLost>(&event)) {
      lost_.insert(lost->host);
    } else if (const auto* hello =
                   std::get_if<engine::AgentConnected>(&event)) {
      lost_.erase(hello->host);
    } else if (std::holds_alternative<engine::ReignBegan>(event)) {
      for (const PlannedHost& host : world_.plan().hosts) {
        lost_.insert(host.id);
      }
    }
  }

  void AgentStarted(const Host& host) override {
    started_[host.id()] = world_.now();
  }

  void LostTail(const Orchestrator&) override { asked_ = 0; }

  void Greeted(const Orchestrator& orchestrator, const HostId& host) override {
    if (orchestrator.number() == 0) lost_.erase(host);
  }

  void Welcomed(const Orchestrator& orchestrator, const HostId& host,
                uint64_t) override {
    if (orchestrator.number() != 0) return;
    since_[host] = world_.now();
    lost_.erase(host);
  }

  void OrderArrived(const Host& host, const agent::Order& order) override {
    if (std::holds_alternative<agent::IsolateHost>(order.what)) {
      isolations_.insert({host.id(), order.id});
    }
  }
  void SaidBy(const Host& host, const agent::Message& message) override {
    const auto* report = std::get_if<agent::Report>(&message);
    if (report == nullptr) return;
    if (!isolations_.contains({host.id(), report->order})) return;
    if (report->outcome == agent::Outcome::kDone) {
      read_back_[host.id()] = world_.now();
      still_.insert(host.id());
    }
  }
  void Opened(const Host& host, const std::vector<Opening>&) override {
    still_.erase(host.id());
  }
  void Answered(const Orchestrator& orchestrator, const engine::Event& event,
                const runtime::Answer& answer) override {
    if (orchestrator.number() != 0 || !answer.status.ok()) return;
    const auto* order = std::get_if<engine::IsolationOrdered>(&event);
    if (order == nullptr || !answer.recorded) return;
    if (order->scope != engine::IsolationOrdered::Scope::kAll) return;
    asked_ = answer.sequence;
    asked_at_ = world_.now();
    still_then_ = still_;
  }

  void Looked(const Orchestrator& orchestrator, const runtime::Glimpse& glimpse,
              const engine::View& view) override {
    for (const engine::StepView& step : view.steps) {
      if (step.state == "reconnected" && !step.partial && !step.failed) {
        CheckBack(step);
        CheckUntried(step);
      }
    }
    for (const engine::HostView& host : view.hosts) {
      CheckFence(orchestrator, host);
    }
    if (asked_ == 0) return;
    const auto progress = glimpse.engine.IsolationSince(asked_);
    int truly = 0;
    for (const auto& [host, at] : read_back_) {
      // One that was on its way already is as good, if nothing opened since.
      truly += at >= asked_at_ || still_then_.contains(host) ? 1 : 0;
    }
    if (progress.read_back > truly) {
      Violate(absl::StrCat(progress.read_back,
                           " hosts are said to be isolated, and ", truly,
                           " said so themselves"));
    }
  }

 private:
  void CheckBack(const engine::StepView& view) {
    const PlannedStep* step = world_.plan().FindStep(view.id);
    if (step == nullptr) return;
    for (const HostId& host : step->hosts) {
      if (!lost_.contains(host)) continue;
      return Violate(absl::StrCat(view.id.str(), " is shown as ", view.state,
                                  ", and ", host.str(), " is lost"));
    }
  }

  // UDP that a host of it sends cannot be tried, and is said to be untried.
  void CheckUntried(const engine::StepView& view) {
    const PlannedStep* step = world_.plan().FindStep(view.id);
    if (step == nullptr || !step->external.empty()) return;
    if (world_.all_plans().size() > 1) return;  // it may have come back before
    for (const GrantId& id : step->grants) {
      const PlannedGrant* grant = world_.plan().FindGrant(id);
      if (grant == nullptr || grant->strength != Strength::kHard) continue;
      const bool udp = std::any_of(
          grant->flows.begin(), grant->flows.end(), [&](const auto& flow) {
            return flow.flow.protocol == Protocol::kUdp &&
                   std::find(step->hosts.begin(), step->hosts.end(),
                             flow.client) != step->hosts.end();
          });
      const bool said = std::any_of(
          view.notes.begin(), view.notes.end(), [&](const std::string& note) {
            return absl::StrContains(note, "untried") &&
                   absl::StrContains(note, grant->id.str());
          });
      if (!udp || said) continue;
      return Violate(absl::StrCat(view.id.str(), " is back, and nobody says ",
                                  "that ", grant->id.str(), " is untried"));
    }
  }

  void CheckFence(const Orchestrator& orchestrator,
                  const engine::HostView& view) {
    if (view.link != "connected" || view.fence != "quarantined") return;
    // What it heard on this very stream, after things have settled.
    const Host& host = world_.host(view.id);
    if (!orchestrator.Attached(view.id) || !host.running()) return;
    if (world_.network().PeerOf(view.id) != 0) return;
    if (world_.now() - since_[view.id] < absl::Seconds(2)) return;
    // Another process than the one this stream was of: it breaks soon.
    const auto started = started_.find(view.id);
    if (started != started_.end() && started->second > since_[view.id]) return;
    if (host.kernel().quarantined()) return;
    Violate(absl::StrCat(view.id.str(),
                         " is shown as quarantined and has no fence"));
  }

  std::set<HostId> lost_;
  std::map<HostId, absl::Time> since_;
  std::map<HostId, absl::Time> started_;
  std::set<std::pair<HostId, agent::OrderId>> isolations_;
  std::map<HostId, absl::Time> read_back_;
  std::set<HostId> still_;       // isolated, and nothing opened since
  std::set<HostId> still_then_;  // when everything was isolated
  uint64_t asked_ = 0;
  absl::Time asked_at_;
};

}  // namespace

std::unique_ptr<Checker> MakeHonestyChecker(World& world) {
  return std::make_unique<Honesty>(world);
}

}  // namespace sluice::simulation
