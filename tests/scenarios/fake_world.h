// An engine with its agents, a clock that only moves when told to, and a
// journal in memory.

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "orchestrator/engine/engine.h"
#include "tests/scenarios/fake_agent.h"
#include "tests/scenarios/order_checker.h"

namespace sluice::testing {

// The plan of a manifest; the message of what is wrong with it otherwise.
absl::StatusOr<std::shared_ptr<const Plan>> PlanOf(absl::string_view manifest);

class FakeWorld {
 public:
  FakeWorld();

  // What the engine said and ordered since the last TakeLog().
  struct Entry {
    std::string text;
    bool is_order = false;
  };
  std::vector<Entry> TakeLog();

  absl::Status Adopt(absl::string_view manifest, const std::string& by = "");
  void ConnectAll();
  void Connect(const HostId& host);
  void Lose(const HostId& host);

  // A person's wish: admitted, then stepped, then all that follows from it.
  absl::Status Ask(const engine::Event& event);
  // A fact: stepped, then all that follows.
  void Tell(const engine::Event& event);
  // A fact alone; orders it causes stay in the agents' mailboxes.
  void Step(const engine::Event& event);
  // Lets one agent answer one order; false when no order waits.
  bool AnswerOne(size_t which = 0);
  void Settle();
  void Advance(absl::Duration duration);

  absl::Status Isolate(engine::IsolationOrdered order);
  absl::Status Start(const std::string& by);
  absl::Status Decide(const std::string& gate, const std::string& by, bool go,
                      const std::string& reason = "");
  absl::Status Sign(const std::string& task, const std::string& by);
  // A person's word on what they were to do by hand.
  absl::Status Say(const std::string& task, const std::string& by, bool done,
                   const std::string& saw);

  // A new engine out of the journal; empty when it is the same as this one.
  std::string Replay(engine::Engine* replayed) const;
  // The orchestrator dies, and a new one takes over.
  void Restart();

  engine::Engine& engine() { return engine_; }
  const engine::Engine& engine() const { return engine_; }
  FakeAgent& agent(const HostId& host);
  std::map<HostId, FakeAgent>& agents() { return agents_; }
  const OrderChecker& checker() const { return checker_; }
  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  const std::string& manifest() const { return manifest_; }
  absl::Time now() const { return now_; }
  uint64_t sequence() const { return sequence_; }
  size_t waiting_orders() const { return mail_.size(); }
  // All that the engine noted for forecasts.
  const std::vector<engine::Progress>& progress() const { return progress_; }
  const std::vector<engine::GateReleased>& released() const {
    return released_;
  }
  const engine::StepView& StepNamed(const std::string& id);
  std::vector<RoleId> RolesOf(const OperatorId& by) const;

 private:
  void Renew();

  engine::Engine engine_;
  OrderChecker checker_;
  std::shared_ptr<const Plan> plan_;
  std::string manifest_;  // that gave it
  std::map<HostId, FakeAgent> agents_;
  std::deque<engine::Order> mail_;
  std::vector<std::pair<engine::Stamp, engine::Event>> journal_;
  std::vector<Entry> log_;
  std::vector<engine::Progress> progress_;
  std::vector<engine::GateReleased> released_;
  absl::Time now_;
  std::optional<absl::Time> deadline_;
  uint64_t sequence_ = 0;
  uint64_t epoch_ = 0;
  bool by_hand_ = false;  // some plan had points that people work
  engine::View view_;
};

// "> db-1 open billing-engine>billing-db:postgres".
std::string OrderText(const engine::Order& order);

}  // namespace sluice::testing
