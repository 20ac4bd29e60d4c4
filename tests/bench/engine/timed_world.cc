#include "tests/bench/engine/timed_world.h"

#include <algorithm>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/contract.h"
#include "common/digest.h"
#include "tests/toys/toy_signature.h"

namespace sluice::testing {

std::string ManifestOf(const EstateShape& shape) {
  std::mt19937 random(shape.seed);
  const auto draw = [&](int below) {
    return static_cast<int>(random() % static_cast<uint32_t>(below));
  };
  std::string hosts;
  std::string systems;
  std::string names;
  const int wide = std::max(1, shape.systems / shape.layers);
  for (int i = 0; i < shape.systems; ++i) {
    const std::string name = absl::StrCat("s", i);
    absl::StrAppend(&hosts, "  h", i, ": {address: [10.", 1 + i / 60000, ".",
                    i / 250 % 250, ".", 1 + i % 250, "]}\n");
    absl::StrAppend(&systems, "  ", name, ":\n    category: information\n",
                    "    hosts: [h", i, "]\n    ports: {http: 8080/tcp}\n");
    const int layer = i / wide;
    if (layer > 0) {
      std::set<int> needs;
      for (int k = 0; k < shape.needs; ++k) {
        needs.insert((layer - 1) * wide + draw(wide));
      }
      std::string list;
      for (const int need : needs) {
        absl::StrAppend(&list, list.empty() ? "" : ", ", "s", need, ":http");
      }
      absl::StrAppend(&systems, "    needs: [", list, "]\n");
    }
    absl::StrAppend(&systems,
                    "    health: [{tcp: http}]\n    expected: ", 2 + draw(19),
                    "s\n    soak: ", 10 + draw(51), "s\n");
    absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  }
  return absl::StrCat(
      "sluice: 1\nestate: bench\nmanagement: {orchestrators: "
      "[\"10.0.0.1:7443\"], operators: [10.0.0.0/28]}\napprovers:\n"
      "  duty-commander: {roles: [incident-commander]}\nhosts:\n",
      hosts, "systems:\n", systems, "stages:\n  - name: all\n    systems: [",
      names,
      "]\n    gate: {approvals: {incident-commander: 1}, "
      "evidence-max-age: 24h}\n");
}

TimedWorld::TimedWorld(std::shared_ptr<const Plan> plan, absl::Duration way)
    : plan_(std::move(plan)), way_(way), now_(absl::FromUnixSeconds(1000000)) {
  for (const PlannedHost& host : plan_->hosts) {
    agents_.emplace(host.id, FakeAgent(host.id));
  }
  for (const PlannedStep& step : plan_->steps) {
    if (!step.health.empty()) expected_[step.health[0].id] = step.expected;
  }
}

absl::Duration TimedWorld::Takes(const engine::Order& order) const {
  const auto* checks = std::get_if<engine::RunChecks>(&order.what);
  if (checks == nullptr || checks->checks.empty()) return way_;
  const auto it = expected_.find(checks->checks[0].id);
  return it == expected_.end() ? way_ : it->second + way_;
}

void TimedWorld::Step(const engine::Event& event) {
  const engine::Stamp stamp{++sequence_, now_, Sha256(absl::StrCat(sequence_))};
  journal_.emplace_back(stamp, event);
  engine::Output output = engine_.Step(stamp, event);
  deadline_ = output.next_deadline;
  for (const engine::Command& command : output.commands) {
    if (const auto* said = std::get_if<engine::Announce>(&command)) {
      all_back_ = all_back_ || said->text.find("everything is back") == 0;
      continue;
    }
    const auto& order = std::get<engine::Order>(command);
    auto report = agents_.at(order.host).Obey(order, now_);
    if (!report.has_value()) continue;
    arrivals_.push({now_ + Takes(order), ++sent_, *std::move(report)});
  }
}

void TimedWorld::Renew() {
  for (auto& [host, agent] : agents_) {
    agent.Renew(engine_.LiveReleases(host, now_), now_);
  }
}

bool TimedWorld::GoToWhatAsks() {
  bool any = false;
  for (const engine::GateView& gate : engine_.MakeView(now_).gates) {
    if (gate.state != "asking") continue;
    engine::DecisionMade decision;
    decision.gate = gate.id;
    decision.round = gate.round;
    decision.by = OperatorId("duty-commander");
    decision.roles = {RoleId("incident-commander")};
    decision.go = true;
    decision.body_digest = gate.body_digest;
    const auto detail = engine_.MakeGateDetail(gate.id, now_);
    SLUICE_CHECK(detail.ok());
    decision.signature = ToyDecision(decision.by, detail->body);
    Step(decision);
    any = true;
  }
  return any;
}

absl::Duration TimedWorld::Run() {
  Step(engine::ReignBegan{1, "bench"});
  engine::PlanAdopted adopted;
  adopted.number = 1;
  adopted.plan = plan_;
  Step(adopted);
  for (auto& [host, agent] : agents_) Step(agent.Hello(now_));
  engine::IsolationOrdered isolate;
  isolate.by = OperatorId("duty-commander");
  Step(isolate);
  const absl::Duration limit = absl::Hours(24);
  const absl::Time begin = now_;
  absl::Time asked = absl::InfiniteFuture();
  absl::Time renew = now_;
  bool started = false;
  while (!all_back_ && now_ < begin + limit) {
    absl::Time next = renew;
    if (deadline_.has_value()) next = std::min(next, *deadline_);
    if (!arrivals_.empty()) next = std::min(next, arrivals_.top().at);
    now_ = std::max(now_, next);
    if (!arrivals_.empty() && arrivals_.top().at <= now_) {
      const engine::Event event = arrivals_.top().event;
      arrivals_.pop();
      Step(event);
    } else if (deadline_.has_value() && *deadline_ <= now_) {
      Step(engine::TimePassed{});
    } else {
      Renew();
      renew = now_ + absl::Seconds(5);
    }
    if (!arrivals_.empty()) continue;
    if (!started) {
      started = true;
      Step(engine::RunStarted{RunId("run-1"), OperatorId("duty-commander")});
    } else if (asked == absl::InfiniteFuture() && GoToWhatAsks()) {
      asked = now_;
    }
  }
  return all_back_ ? now_ - asked : absl::InfiniteDuration();
}

}  // namespace sluice::testing
