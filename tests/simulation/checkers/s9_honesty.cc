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

  void Heard(const Orchestrator&, const engine::Event& event) override {
    const auto* word = std::get_if<engine::PointReported>(&event);
    if (word == nullptr || !word->done) return;
    if (absl::StrContains(word->task.str(), "/isolate-")) {
      closed_.insert(word->host);
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
      if (host.link == "manual") CheckWord(host);
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
      const PlannedHost* planned = world_.plan().FindHost(host);
      if (planned != nullptr && !planned->has_agent()) {
        CheckHand(view, host);
        continue;
      }
      if (!lost_.contains(host)) continue;
      return Violate(absl::StrCat(view.id.str(), " is shown as ", view.state,
                                  ", and ", host.str(), " is lost"));
    }
  }

  // What rests on a person's word is said to.
  void CheckHand(const engine::StepView& view, const HostId& host) {
    const std::string word = absl::StrCat("by hand: ", host.str(), " is ");
    const bool said = std::any_of(
        view.notes.begin(), view.notes.end(), [&](const std::string& note) {
          return absl::StartsWith(note, word) ||
                 absl::StrContains(note,
                                   absl::StrCat(host.str(), " is not part"));
        });
    if (!said) {
      return Violate(absl::StrCat(view.id.str(), " is shown as ", view.state,
                                  ", and nobody says that people work ",
                                  host.str()));
    }
    for (const engine::CheckReport& check : view.checks) {
      if (check.result.verdict != Verdict::kPass) continue;
      if (check.result.said_by != absl::StrCat("host ", host.str())) continue;
      return Violate(absl::StrCat(check.id.str(), " is shown as passed on ",
                                  host.str(), ", where no program looks"));
    }
  }

  // Closed is what somebody said, and that nobody measured it is said too.
  void CheckWord(const engine::HostView& view) {
    const bool spoke = closed_.contains(view.id);
    if (view.fence == "open" || view.leased_flows > 0 ||
        (view.fence == "quarantined" && !spoke)) {
      return Violate(absl::StrCat(view.id.str(), " is shown as ", view.fence,
                                  ", and nobody said so"));
    }
    if (view.fence != "quarantined") return;
    if (!absl::StrContains(view.said, "not measured")) {
      Violate(absl::StrCat(view.id.str(), " is shown as closed, and not that ",
                           "nobody measured it"));
    }
  }

  // UDP that a host of it sends cannot be tried, and is said to be untried;
  // nothing that leaves from where no program runs can.
  void CheckUntried(const engine::StepView& view) {
    const PlannedStep* step = world_.plan().FindStep(view.id);
    if (step == nullptr || !step->external.empty()) return;
    if (world_.all_plans().size() > 1) return;  // it may have come back before
    for (const GrantId& id : step->grants) {
      const PlannedGrant* grant = world_.plan().FindGrant(id);
      if (grant == nullptr || grant->strength != Strength::kHard) continue;
      const bool udp = std::any_of(
          grant->flows.begin(), grant->flows.end(), [&](const auto& flow) {
            const PlannedHost* from = world_.plan().FindHost(flow.client);
            const bool by_hand = from != nullptr && !from->has_agent();
            return (by_hand || flow.flow.protocol == Protocol::kUdp) &&
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
    if (host.quarantined()) return;
    Violate(absl::StrCat(view.id.str(),
                         " is shown as quarantined and has no fence"));
  }

  std::set<HostId> lost_;
  std::set<HostId> closed_;  // of those that people work, by their word
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
