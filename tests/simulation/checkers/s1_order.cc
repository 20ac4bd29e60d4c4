// S1: no order to open leaves the orchestrator while a hard need of its client
// is not healthy, judged by the reports that are on disk.

#include "absl/strings/match.h"
#include "tests/scenarios/order_checker.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class OrderOfThings : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S1"; }

  void Recorded(const Orchestrator& orchestrator, const journal::Record&,
                const engine::Event& event) override {
    if (orchestrator.number() != 0) return;
    if (const auto* plan = std::get_if<engine::PlanAdopted>(&event)) {
      checker_.Adopt(plan->plan);
    }
    checker_.Saw(event);
  }

  // A twin of a copied journal knows less, and is not asked to keep S1.
  void OrderLeft(const Orchestrator& orchestrator, uint64_t,
                 const engine::Order& order) override {
    if (orchestrator.number() != 0) return;
    checker_.Left(order);
    for (; said_ < checker_.violations().size(); ++said_) {
      const std::string& text = checker_.violations()[said_];
      // Votes are S10's; a body whose proposal could not leave is the hosts' to
      // refuse.
      if (absl::StartsWith(text, "S1: ")) Violate(text.substr(4));
      if (absl::StartsWith(text, "S8: ")) Violate(text);
    }
  }

 private:
  testing::OrderChecker checker_;
  size_t said_ = 0;
};

}  // namespace

std::unique_ptr<Checker> MakeOrderChecker(World& world) {
  return std::make_unique<OrderOfThings>(world);
}

}  // namespace sluice::simulation
