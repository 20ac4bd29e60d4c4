// L1: with all faults healed and people who answer, everything comes back.

#include "absl/strings/str_cat.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class Progress : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "L1"; }

  void Ended() override {
    if (world_.people().finished()) return;
    const engine::View& view = world_.people().last_view();
    std::string text =
        absl::StrCat(absl::FormatDuration(world_.options().patience),
                     " after all was healed the run is ", view.run.state,
                     view.run.why.empty() ? "" : " (", view.run.why,
                     view.run.why.empty() ? "" : ")");
    for (const engine::StepView& step : view.steps) {
      if (step.state == "reconnected" && !step.failed) continue;
      absl::StrAppend(&text, "; ", step.id.str(), " is ", step.state,
                      step.reason.empty() ? "" : ": ", step.reason);
      for (const engine::Wait& wait : step.waits) {
        absl::StrAppend(&text, ", ", wait.text);
      }
    }
    Violate(text);
  }
};

}  // namespace

std::unique_ptr<Checker> MakeProgressChecker(World& world) {
  return std::make_unique<Progress>(world);
}

}  // namespace sluice::simulation
