// Tells all checkers, in their order.

#pragma once

#include <memory>
#include <vector>

#include "tests/simulation/checker.h"

namespace sluice::simulation {

class Watchers : public Watcher {
 public:
  explicit Watchers(const std::vector<std::unique_ptr<Checker>>* all)
      : all_(all) {}

  void Began(const Orchestrator& o) override { Tell(&Watcher::Began, o); }
  void Copied(const Orchestrator& from, const Orchestrator& to,
              uint64_t up_to) override {
    Tell(&Watcher::Copied, from, to, up_to);
  }
  void Died(const Orchestrator& o) override { Tell(&Watcher::Died, o); }
  void LostTail(const Orchestrator& o) override { Tell(&Watcher::LostTail, o); }
  void Recorded(const Orchestrator& o, const journal::Record& record,
                const engine::Event& event) override {
    Tell(&Watcher::Recorded, o, record, event);
  }
  void OrderLeft(const Orchestrator& o, uint64_t epoch,
                 const engine::Order& order) override {
    Tell(&Watcher::OrderLeft, o, epoch, order);
  }
  void Greeted(const Orchestrator& o, const HostId& host) override {
    Tell(&Watcher::Greeted, o, host);
  }
  void Welcomed(const Orchestrator& o, const HostId& host,
                uint64_t epoch) override {
    Tell(&Watcher::Welcomed, o, host, epoch);
  }
  void TurnEnded(const Orchestrator& o,
                 const runtime::Glimpse& glimpse) override {
    Tell(&Watcher::TurnEnded, o, glimpse);
  }
  void Shown(const Orchestrator& o, const std::string& digest,
             const std::string& body) override {
    Tell(&Watcher::Shown, o, digest, body);
  }
  void Asked(const Orchestrator& o,
             const std::vector<engine::PointTaskView>& tasks) override {
    Tell(&Watcher::Asked, o, tasks);
  }
  void Signed(const engine::DecisionMade& decision) override {
    Tell(&Watcher::Signed, decision);
  }
  void Heard(const Orchestrator& o, const engine::Event& event) override {
    Tell(&Watcher::Heard, o, event);
  }
  void Answered(const Orchestrator& o, const engine::Event& event,
                const runtime::Answer& answer) override {
    Tell(&Watcher::Answered, o, event, answer);
  }
  void Looked(const Orchestrator& o, const runtime::Glimpse& glimpse,
              const engine::View& view) override {
    Tell(&Watcher::Looked, o, glimpse, view);
  }
  void AgentStarted(const Host& host) override {
    Tell(&Watcher::AgentStarted, host);
  }
  void OrderArrived(const Host& host, const agent::Order& order) override {
    Tell(&Watcher::OrderArrived, host, order);
  }
  void RenewalArrived(const Host& host, uint64_t epoch,
                      const std::vector<std::string>& digests) override {
    Tell(&Watcher::RenewalArrived, host, epoch, digests);
  }
  void WelcomeArrived(const Host& host, uint64_t epoch) override {
    Tell(&Watcher::WelcomeArrived, host, epoch);
  }
  void SaidBy(const Host& host, const agent::Message& message) override {
    Tell(&Watcher::SaidBy, host, message);
  }
  void Opened(const Host& host, const std::vector<Opening>& openings) override {
    Tell(&Watcher::Opened, host, openings);
  }
  void Guarded(const Host& host, const std::string& digest,
               absl::Duration until) override {
    Tell(&Watcher::Guarded, host, digest, until);
  }
  void Rebooted(const Host& host) override { Tell(&Watcher::Rebooted, host); }
  void Passed(const Session& session, const Tuple& tuple, bool from_client,
              bool syn) override {
    Tell(&Watcher::Passed, session, tuple, from_client, syn);
  }
  void Refused(const Session& session, bool from_client) override {
    Tell(&Watcher::Refused, session, from_client);
  }

 private:
  template <class Method, class... Args>
  void Tell(Method method, const Args&... args) {
    for (const auto& checker : *all_) ((*checker).*method)(args...);
  }

  const std::vector<std::unique_ptr<Checker>>* all_;
};

}  // namespace sluice::simulation
