// Watches orders and reports, never the engine's opinion of itself: does a
// flow open before what its client needs is healthy (S1), from outside before
// what it enters has soaked, or on a host that
// its release order does not cover any more (S8)?

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/engine/command.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/engine/view.h"
#include "orchestrator/planner/plan.h"

namespace sluice::testing {

class OrderChecker {
 public:
  void Adopt(std::shared_ptr<const Plan> plan);
  void Saw(const engine::Event& event, absl::Time now);
  // What a host that owes no answer holds open, by release order (S5: a host
  // that was isolated is closed at its peers as well).
  void Holds(const HostId& host,
             const std::map<std::string, std::vector<Flow>>& open,
             const std::function<uint64_t(const HostId&)>& quarantine_number);
  void Left(const engine::Order& order);
  // A body that people may decide on, where no host is shown it.
  void Shown(const std::string& body);
  // What people are asked to do by hand, after each event: a task opens no
  // sooner than an order would.
  void Asked(const std::vector<engine::PointTaskView>& tasks);

  const std::vector<std::string>& violations() const { return violations_; }

 private:
  void CheckOpen(const engine::Order& order, const engine::OpenFlows& open);
  void CheckNeeds(const PlannedStep& owner, const std::string& what);
  void CheckTask(const engine::PointTaskView& task);
  void CheckPeers(const engine::PointTaskView& task);
  void Take(const engine::Event& event);
  bool HasAgent(const HostId& host) const;
  bool IsByHand(const PlannedStep& step) const;
  void Unwell(const HostId& host, const GrantId& grant);
  const PlannedStep* OwnerOf(const GrantId& grant) const;
  bool IsHealthy(const StepId& step) const;
  bool IsWaived(const CheckId& check) const;
  bool HasSoaked(const StepId& step) const;

  std::shared_ptr<const Plan> plan_;
  std::vector<std::shared_ptr<const Plan>> plans_;  // all there were
  // By the newest plan that has the grant.
  std::map<GrantId, const PlannedStep*> owners_;
  std::map<StepId, std::set<HostId>> well_;  // hosts that passed its health
  std::map<StepId, absl::Time> well_since_;
  std::set<StepId> well_by_hand_;  // well now, with points that people work
  std::map<StepId, std::set<std::pair<HostId, CheckId>>> doubted_;
  // Externals that came in on a host after the system's own flows: the health
  // that is asked for next is about these.
  std::map<HostId, std::set<const PlannedStep*>> entered_;
  std::map<engine::OrderId, engine::Order> out_;
  absl::Time now_;
  std::map<CheckId, absl::Time> waived_;            // until when
  std::map<std::string, std::set<HostId>> voided_;  // digest → hosts
  std::map<std::string, std::string> bodies_;
  std::map<std::string, std::set<OperatorId>> goes_;  // digest → who
  std::set<engine::OrderId> asked_;                   // openings by hand
  std::set<HostId> closed_;  // points that somebody said are closed
  std::vector<std::string> violations_;
};

}  // namespace sluice::testing
