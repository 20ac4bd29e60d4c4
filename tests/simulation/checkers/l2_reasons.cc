// L2: for whatever is not reconnected, the program says what it waits for.

#include "absl/strings/str_cat.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class Reasons : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "L2"; }

  void Looked(const Orchestrator&, const runtime::Glimpse&,
              const engine::View& view) override {
    for (const engine::StepView& step : view.steps) {
      if (step.state == "reconnected" && !step.failed) continue;
      if (step.state == "open") continue;  // before any incident
      if (step.state == "unknown" && !step.notes.empty()) continue;
      const bool said = std::any_of(
          step.waits.begin(), step.waits.end(),
          [](const engine::Wait& wait) { return !wait.text.empty(); });
      if (said) continue;
      return Violate(absl::StrCat(step.id.str(), " is ", step.state,
                                  " and nobody says what it waits for"));
    }
    if ((view.run.state == "held" || view.run.state == "paused") &&
        view.run.why.empty()) {
      Violate(
          absl::StrCat("the run is ", view.run.state, " and nobody says why"));
    }
  }
};

}  // namespace

std::unique_ptr<Checker> MakeReasonChecker(World& world) {
  return std::make_unique<Reasons>(world);
}

}  // namespace sluice::simulation
