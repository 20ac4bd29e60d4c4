// S1: no order to open leaves the orchestrator while a hard need of its client
// is not healthy, judged by the reports that are on disk.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/scenarios/order_checker.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class OrderOfThings : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S1"; }

  void Recorded(const Orchestrator& orchestrator,
                const journal::Record& record,
                const engine::Event& event) override {
    if (orchestrator.number() != 0) return;
    if (const auto* plan = std::get_if<engine::PlanAdopted>(&event)) {
      checker_.Adopt(plan->plan);
    }
    checker_.Saw(event, record.at);
    if (const auto* report = std::get_if<engine::OrderReported>(&event)) {
      NoteHealth(*report);
    }
  }

  // It knows less than it was told, and cannot be asked to keep S1.
  void LostTail(const Orchestrator&) override { blind_ = true; }

  // A twin of a copied journal knows less, and is not asked to keep S1.
  void OrderLeft(const Orchestrator& orchestrator, uint64_t,
                 const engine::Order& order) override {
    if (orchestrator.number() != 0 || blind_) return;
    checker_.Left(order);
    if (std::holds_alternative<engine::RunChecks>(order.what)) {
      checks_[order.id] = std::get<engine::RunChecks>(order.what).checks;
    } else if (std::holds_alternative<engine::IsolateHost>(order.what)) {
      for (const PlannedStep& step : world_.plan().steps) {
        if (std::find(step.hosts.begin(), step.hosts.end(), order.host) ==
            step.hosts.end()) {
          continue;
        }
        // It goes on without this host while the others are enough.
        std::set<HostId>& out = out_[step.id];
        out.insert(order.host);
        if (static_cast<int>(step.hosts.size() - out.size()) < step.enough) {
          healthy_since_.erase(step.id);
        }
      }
    } else if (const auto* open = std::get_if<engine::OpenFlows>(&order.what)) {
      CheckSoaked(*open);
    }
    Judge();
  }

  // As an order does, so does a task open.
  void Shown(const Orchestrator& orchestrator, const std::string&,
             const std::string& body) override {
    if (orchestrator.number() == 0) checker_.Shown(body);
  }
  void Asked(const Orchestrator& orchestrator,
             const std::vector<engine::PointTaskView>& tasks) override {
    if (orchestrator.number() != 0 || blind_) return;
    checker_.Asked(tasks);
    Judge();
  }

 private:
  void Judge() {
    for (; said_ < checker_.violations().size(); ++said_) {
      const std::string& text = checker_.violations()[said_];
      // Votes are S10's; a body whose proposal could not leave is the hosts' to
      // refuse.
      if (absl::StartsWith(text, "S1: ")) Violate(text.substr(4));
      if (absl::StartsWith(text, "S5: ")) Violate(text);
      if (absl::StartsWith(text, "S8: ")) Violate(text);
    }
  }

  // The first time that all of a system's health passed, since it was isolated.
  void NoteHealth(const engine::OrderReported& report) {
    const auto asked = checks_.find(report.order);
    const auto* done = std::get_if<engine::ChecksDone>(&report.detail);
    if (asked == checks_.end() || done == nullptr || asked->second.empty()) {
      return;
    }
    const bool passed = std::all_of(
        done->results.begin(), done->results.end(), [](const auto& result) {
          return result.result.verdict == Verdict::kPass;
        });
    for (const PlannedStep& step : world_.plan().steps) {
      if (!passed || !step.external.empty() || step.health.empty()) continue;
      if (step.health[0].id != asked->second[0].id) continue;
      out_[step.id].erase(report.host);
      healthy_since_.try_emplace(step.id, world_.now());
    }
    checks_.erase(asked);
  }

  // An external comes in only after the soak of the system it enters.
  void CheckSoaked(const engine::OpenFlows& open) {
    for (const PlannedStep& step : world_.plan().steps) {
      if (step.external.empty()) continue;
      const bool opens = std::any_of(
          step.grants.begin(), step.grants.end(), [&](const GrantId& grant) {
            return std::find(open.grants.begin(), open.grants.end(), grant) !=
                   open.grants.end();
          });
      const auto healthy = healthy_since_.find(StepId(step.system.str()));
      const PlannedStep* entered =
          world_.plan().FindStep(StepId(step.system.str()));
      if (!opens || healthy == healthy_since_.end() || entered == nullptr) {
        continue;
      }
      // A plan in mid-run may have made the soak longer since.
      absl::Duration soak = entered->soak;
      for (const auto& plan : world_.all_plans()) {
        const PlannedStep* then = plan->FindStep(entered->id);
        if (then != nullptr) soak = std::min(soak, then->soak);
      }
      const absl::Duration healthy_for = world_.now() - healthy->second;
      if (healthy_for >= soak * 0.98) continue;
      Violate(absl::StrCat(step.id.str(), " opens ",
                           absl::FormatDuration(healthy_for), " after ",
                           step.system.str(), " was healthy, before its soak"));
    }
  }

  std::map<engine::OrderId, std::vector<PlannedCheck>> checks_;
  std::map<StepId, absl::Time> healthy_since_;
  std::map<StepId, std::set<HostId>> out_;
  bool blind_ = false;
  testing::OrderChecker checker_;
  size_t said_ = 0;
};

}  // namespace

std::unique_ptr<Checker> MakeOrderChecker(World& world) {
  return std::make_unique<OrderOfThings>(world);
}

}  // namespace sluice::simulation
