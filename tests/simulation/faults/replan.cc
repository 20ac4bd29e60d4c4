// People who change the manifest in mid-run and put the new plan in force.

#include "tests/simulation/estate.h"
#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

class Replans : public Fault {
 public:
  Replans(size_t which, int soak, bool first)
      : which_(which), soak_(soak), first_(first) {}
  std::string Text() const override {
    return first_ ? absl::StrCat("people put system ", which_, " first")
                  : absl::StrCat("people give system ", which_, " a soak of ",
                                 soak_, "s");
  }
  void Begin(World& world) override {
    const std::string text = Changed(world.newest_manifest());
    const std::vector<journal::SourceFile> files = {{"drawn.yaml", text}};
    const auto plan = LoadPlan(files);
    if (!plan.ok()) return;
    world.SetManifest(text);
    // Where gates forbid it, nobody approves what they put in force: the one
    // who started the run has no vote there anyway.
    OperatorId by = world.people().last_view().run.started_by;
    if (by.empty()) by = world.plan().approvers.front().id;
    world.people().Ask(engine::PlanAdopted{world.plans(), *plan,
                                           journal::EncodeSources(files), by});
  }

 private:
  std::string Changed(const std::string& text) const {
    const std::string line = first_ ? "\n    category: " : "\n    soak: ";
    std::vector<size_t> places;
    for (size_t at = text.find(line); at != std::string::npos;
         at = text.find(line, at + 1)) {
      places.push_back(at);
    }
    if (places.empty()) return text;
    const size_t at = places[which_ % places.size()];
    if (first_) {
      const size_t next = text.find('\n', at + 1);
      if (text.compare(next, 14, "\n    priority:") == 0) return text;
      return absl::StrCat(text.substr(0, next), "\n    priority: high",
                          text.substr(next));
    }
    const size_t end = text.find('\n', at + 1);
    return absl::StrCat(text.substr(0, at), line, soak_, "s", text.substr(end));
  }

  const size_t which_;
  const int soak_;
  const bool first_;
};

}  // namespace

std::unique_ptr<Fault> DrawReplan(World&, Random& random) {
  return std::make_unique<Replans>(random.Below(12), random.Between(3, 25),
                                   random.Percent(25));
}

}  // namespace sluice::simulation
