#include "tests/scenarios/order_checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/release_order.h"

namespace sluice::testing {

using engine::Order;

void OrderChecker::Adopt(std::shared_ptr<const Plan> plan) {
  plan_ = std::move(plan);
  plans_.push_back(plan_);
  for (const PlannedStep& step : plan_->steps) {
    for (const GrantId& grant : step.grants) owners_[grant] = &step;
  }
}

const PlannedStep* OrderChecker::OwnerOf(const GrantId& grant) const {
  const auto it = owners_.find(grant);
  return it == owners_.end() ? nullptr : it->second;
}

bool OrderChecker::HasAgent(const HostId& id) const {
  const PlannedHost* host = plan_->FindHost(id);
  return host == nullptr || host->has_agent();
}

// Nobody's program looks at it: it is as well as people say that its points
// are closed, until they are opened by its own gate.
bool OrderChecker::IsByHand(const PlannedStep& step) const {
  return step.health.empty() &&
         std::all_of(step.hosts.begin(), step.hosts.end(),
                     [&](const HostId& id) { return !HasAgent(id); });
}

bool OrderChecker::IsHealthy(const StepId& id) const {
  const PlannedStep* step = plan_->FindStep(id);
  if (step != nullptr && IsByHand(*step)) {
    return std::all_of(
        step->hosts.begin(), step->hosts.end(),
        [&](const HostId& host) { return closed_.contains(host); });
  }
  const auto it = well_.find(id);
  if (step == nullptr) return false;
  std::set<HostId> well;
  if (it != well_.end()) well = it->second;
  // Where no program looks, people say that it is closed, and answer for each
  // check by a waiver.
  const bool answered_for =
      std::all_of(step->health.begin(), step->health.end(),
                  [&](const auto& check) { return IsWaived(check.id); });
  for (const HostId& host : step->hosts) {
    if (!HasAgent(host) && answered_for && closed_.contains(host)) {
      well.insert(host);
    }
  }
  const auto doubted = doubted_.find(id);
  if (doubted != doubted_.end()) {
    for (const auto& [host, check] : doubted->second) {
      if (!IsWaived(check)) well.erase(host);
    }
  }
  return static_cast<int>(well.size()) >= step->enough;
}

bool OrderChecker::HasSoaked(const StepId& id) const {
  const PlannedStep* by_hand = plan_->FindStep(id);
  if (by_hand != nullptr && IsByHand(*by_hand)) return true;
  const auto since = well_since_.find(id);
  if (since == well_since_.end()) return false;
  // A step that goes on under another plan keeps the soak it began with.
  absl::Duration soak = absl::InfiniteDuration();
  for (const std::shared_ptr<const Plan>& plan : plans_) {
    const PlannedStep* step = plan->FindStep(id);
    if (step != nullptr) soak = std::min(soak, step->soak);
  }
  return now_ >= since->second + soak;
}

void OrderChecker::Left(const Order& order) {
  if (plan_ == nullptr) return;
  out_[order.id] = order;
  if (std::holds_alternative<engine::IsolateHost>(order.what)) {
    for (const PlannedStep& step : plan_->steps)
      well_[step.id].erase(order.host);
    for (auto& [digest, hosts] : voided_) hosts.insert(order.host);
    entered_.erase(order.host);
  } else if (const auto* withdraw =
                 std::get_if<engine::Withdraw>(&order.what)) {
    // By peer, its owner goes on without that peer.
    if (!withdraw->peers.empty()) return;
    for (const GrantId& grant : withdraw->grants) Unwell(order.host, grant);
  } else if (const auto* propose = std::get_if<engine::Propose>(&order.what)) {
    Shown(propose->body.str());
  } else if (const auto* open = std::get_if<engine::OpenFlows>(&order.what)) {
    CheckOpen(order, *open);
  }
}

void OrderChecker::Shown(const std::string& body) {
  const std::string digest = Sha256(body);
  voided_[digest];
  bodies_[digest] = body;
}

void OrderChecker::Unwell(const HostId& host, const GrantId& grant) {
  const PlannedStep* owner = OwnerOf(grant);
  // What a new plan does without closes, and its owner goes on.
  if (owner == nullptr || plan_->FindGrant(grant) == nullptr) return;
  // What it can do without says nothing about its health.
  for (const std::shared_ptr<const Plan>& plan : plans_) {
    const PlannedGrant* planned = plan->FindGrant(grant);
    if (planned != nullptr && planned->strength == Strength::kSoft) return;
  }
  well_[owner->id].erase(host);
}

void OrderChecker::CheckOpen(const Order& order,
                             const engine::OpenFlows& open) {
  const auto body = bodies_.find(open.release_digest);
  if (body == bodies_.end()) {
    violations_.push_back(absl::StrCat(order.id.str(),
                                       " opens under a release order that "
                                       "nobody was asked about"));
    return;
  }
  const auto parsed = ReleaseOrder::Parse(body->second);
  std::set<OperatorId> people;
  for (const engine::DecisionMade& decision : open.decisions) {
    if (!decision.go || decision.body_digest != open.release_digest) {
      violations_.push_back(absl::StrCat(
          order.id.str(), " carries a decision that is not a go to it"));
    }
    people.insert(decision.by);
  }
  int quorum = 0;
  if (parsed.ok()) {
    for (const auto& [role, count] : parsed->quorum) quorum += count;
  }
  if (static_cast<int>(people.size()) < quorum) {
    violations_.push_back(
        absl::StrCat(order.id.str(), " opens without its quorum"));
  }
  if (voided_[open.release_digest].contains(order.host)) {
    violations_.push_back(
        absl::StrCat("S8: ", order.id.str(), " opens on ", order.host.str(),
                     " under a release order from before its isolation"));
  }
  for (const GrantId& grant : open.grants) {
    const PlannedStep* owner = OwnerOf(grant);
    if (owner == nullptr || plan_->FindGrant(grant) == nullptr) {
      violations_.push_back(absl::StrCat("nobody owns ", grant.str()));
      continue;
    }
    std::set<const PlannedStep*>& entered = entered_[order.host];
    if (owner->external.empty()) {
      std::erase_if(entered, [&](const PlannedStep* entry) {
        return entry->system == owner->system;
      });
    } else {
      entered.insert(owner);
    }
    CheckNeeds(*owner,
               absl::StrCat(grant.str(), " opens on ", order.host.str()));
  }
}

void OrderChecker::CheckNeeds(const PlannedStep& owner,
                              const std::string& what) {
  for (const StepNeed& need : owner.needs) {
    const PlannedStep* needed = plan_->FindStep(need.step);
    if (need.strength != Strength::kHard || needed == nullptr) continue;
    if (owner.joint_group >= 0 && owner.joint_group == needed->joint_group) {
      continue;
    }
    if (!IsHealthy(need.step)) {
      violations_.push_back(absl::StrCat("S1: ", what, " while ",
                                         need.step.str(), " is not healthy"));
    } else if (need.soaked && !HasSoaked(need.step)) {
      violations_.push_back(absl::StrCat("S1: ", what, " before ",
                                         need.step.str(), " has soaked"));
    }
  }
}

void OrderChecker::Asked(const std::vector<engine::PointTaskView>& tasks) {
  for (const engine::PointTaskView& task : tasks) {
    if (task.verb == "open") CheckPeers(task);
    if (!asked_.insert(task.order).second) continue;
    if (task.verb == "isolate") {
      closed_.erase(task.host);
      for (auto& [digest, hosts] : voided_) hosts.insert(task.host);
    } else if (task.verb == "open") {
      CheckTask(task);
    }
  }
}

// S5: nobody goes on being asked to open a flow to a host that was isolated
// after that was released.
void OrderChecker::CheckPeers(const engine::PointTaskView& task) {
  for (const HostId& isolated : voided_[task.release]) {
    const PlannedHost* host = plan_->FindHost(isolated);
    if (host == nullptr) continue;
    for (const engine::PointFlow& flow : task.flows) {
      for (const Prefix& address : host->addresses) {
        if (address != flow.flow.client && address != flow.flow.server) {
          continue;
        }
        violations_.push_back(absl::StrCat("S5: ", task.id.str(),
                                           " opens a flow of ", isolated.str(),
                                           ", which was isolated since"));
      }
    }
  }
}

void OrderChecker::CheckTask(const engine::PointTaskView& task) {
  const auto body = bodies_.find(task.release);
  const auto parsed = body == bodies_.end()
                          ? absl::NotFoundError("nobody was asked about it")
                          : ReleaseOrder::Parse(body->second);
  if (!parsed.ok()) {
    violations_.push_back(
        absl::StrCat("S2: ", task.id.str(), ": ", parsed.status().message()));
    return;
  }
  int quorum = 0;
  for (const auto& [role, count] : parsed->quorum) quorum += count;
  if (static_cast<int>(goes_[task.release].size()) < quorum) {
    violations_.push_back(
        absl::StrCat("S2: ", task.id.str(), " opens without its quorum"));
  }
  if (!closed_.contains(task.host) ||
      voided_[task.release].contains(task.host)) {
    violations_.push_back(
        absl::StrCat("S8: ", task.id.str(), " opens on ", task.host.str(),
                     ", which nobody closed before its release order"));
  }
  for (const engine::PointFlow& flow : task.flows) {
    // Two systems on one host may need the same flow: it may be either's.
    const size_t before = violations_.size();
    bool owned = false;
    bool fine = false;
    for (const PlannedGrant& grant : plan_->grants) {
      const PlannedStep* owner = OwnerOf(grant.id);
      const bool has = std::any_of(
          grant.flows.begin(), grant.flows.end(),
          [&](const HostFlow& planned) { return planned.flow == flow.flow; });
      if (!has || owner == nullptr) continue;
      owned = true;
      const size_t said = violations_.size();
      CheckNeeds(*owner, absl::StrCat(task.id.str(), " opens"));
      fine = fine || violations_.size() == said;
    }
    if (fine) violations_.resize(before);
    if (owned) continue;
    violations_.push_back(
        absl::StrCat(task.id.str(), ": nobody owns ", flow.flow.Line()));
  }
}

void OrderChecker::Holds(
    const HostId& host, const std::map<std::string, std::vector<Flow>>& open,
    const std::function<uint64_t(const HostId&)>& quarantine_number) {
  for (const auto& [digest, flows] : open) {
    const auto body = bodies_.find(digest);
    if (body == bodies_.end()) continue;
    const auto parsed = ReleaseOrder::Parse(body->second);
    if (!parsed.ok()) continue;
    for (const ReleaseOrder::Host& line : parsed->hosts) {
      if (line.id == host) continue;
      if (quarantine_number(line.id) == line.quarantine_number) continue;
      const PlannedHost* other = plan_->FindHost(line.id);
      if (other == nullptr) continue;  // a later plan has it no more
      for (const Flow& flow : flows) {
        for (const Prefix& address : other->addresses) {
          if (address != flow.client && address != flow.server) continue;
          violations_.push_back(absl::StrCat(
              "S5: ", host.str(), " keeps ", flow.Line(), " open, though ",
              line.id.str(), " was isolated after that was released"));
        }
      }
    }
  }
}

bool OrderChecker::IsWaived(const CheckId& check) const {
  const auto it = waived_.find(check);
  return it != waived_.end() && now_ < it->second;
}

void OrderChecker::Saw(const engine::Event& event, absl::Time now) {
  now_ = std::max(now_, now);
  if (plan_ == nullptr) return;
  Take(event);
  // No report says when a step with people's points in it became well.
  for (const PlannedStep& step : plan_->steps) {
    if (std::all_of(step.hosts.begin(), step.hosts.end(),
                    [&](const HostId& host) { return HasAgent(host); })) {
      continue;
    }
    if (!IsHealthy(step.id)) {
      well_by_hand_.erase(step.id);
    } else if (well_by_hand_.insert(step.id).second) {
      well_since_[step.id] = now_;
    }
  }
}

void OrderChecker::Take(const engine::Event& event) {
  if (const auto* watch = std::get_if<engine::WatchChanged>(&event)) {
    // Not healthy for as long as a watched check does not pass.
    auto& doubted = doubted_[watch->step];
    if (watch->report.result.verdict == Verdict::kPass) {
      doubted.erase({watch->host, watch->report.id});
    } else {
      doubted.insert({watch->host, watch->report.id});
    }
    return;
  }
  if (const auto* waiver = std::get_if<engine::WaiverGiven>(&event)) {
    const PlannedStep* step = plan_->FindStep(waiver->step);
    if (!waiver->check.empty()) waived_[waiver->check] = waiver->until;
    if (step == nullptr || !waiver->check.empty()) return;
    for (const auto* checks : {&step->inspect, &step->health, &step->watch}) {
      for (const PlannedCheck& check : *checks) {
        absl::Time& until = waived_[check.id];
        until = std::max(until, waiver->until);
      }
    }
    return;
  }
  if (const auto* decision = std::get_if<engine::DecisionMade>(&event)) {
    if (decision->go) goes_[decision->body_digest].insert(decision->by);
    return;
  }
  if (const auto* word = std::get_if<engine::PointReported>(&event)) {
    const bool closes = word->task.str().starts_with(
        absl::StrCat(word->host.str(), "/isolate-"));
    if (word->done && closes && asked_.contains(word->order)) {
      closed_.insert(word->host);
    }
    return;
  }
  const auto* report = std::get_if<engine::OrderReported>(&event);
  if (report == nullptr) return;
  const auto out = out_.find(report->order);
  if (out == out_.end()) return;
  const Order order = std::move(out->second);
  out_.erase(out);
  if (order.host != report->host) return;
  const auto* checks = std::get_if<engine::RunChecks>(&order.what);
  const auto* done = std::get_if<engine::ChecksDone>(&report->detail);
  if (checks == nullptr || checks->checks.empty()) return;
  // One that came in after others is what is asked about, until it passes.
  const std::set<const PlannedStep*>& came_in = entered_[order.host];
  const bool newcomer =
      std::any_of(came_in.begin(), came_in.end(), [&](const PlannedStep* one) {
        return !one->health.empty() &&
               one->health[0].id == checks->checks[0].id &&
               !well_[one->id].contains(order.host);
      });
  for (const PlannedStep& step : plan_->steps) {
    if (step.health.empty() || step.health[0].id != checks->checks[0].id) {
      continue;
    }
    // The same checks speak for an external's entry into the system; that it
    // fails does not make the system's own verdict unsaid.
    const std::set<const PlannedStep*>& entered = entered_[order.host];
    const bool enters = std::any_of(
        entered.begin(), entered.end(),
        [&](const PlannedStep* one) { return one->system == step.system; });
    const bool this_one =
        std::any_of(entered.begin(), entered.end(),
                    [&](const PlannedStep* one) { return one->id == step.id; });
    if (enters ? !this_one : !step.external.empty()) continue;
    bool passed = report->outcome == engine::Outcome::kDone && done != nullptr;
    for (const PlannedCheck& check : step.health) {
      passed = passed &&
               (IsWaived(check.id) ||
                std::any_of(done->results.begin(), done->results.end(),
                            [&](const engine::CheckReport& result) {
                              return result.id == check.id &&
                                     result.result.verdict == Verdict::kPass;
                            }));
    }
    if (passed) {
      std::erase_if(doubted_[step.id], [&](const auto& entry) {
        return entry.first == order.host;
      });
      const bool was_well = IsHealthy(step.id);
      well_[step.id].insert(order.host);
      if (!was_well) well_since_[step.id] = now_;
    } else if (!newcomer) {
      well_[step.id].erase(order.host);
    }
  }
}

}  // namespace sluice::testing
