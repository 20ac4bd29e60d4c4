// S7: replaying what is on disk gives the same state and the same outstanding
// orders. Looked at now and then, and at the end; each restart is one more.

#include "absl/strings/str_cat.h"
#include "orchestrator/runtime/replay.h"
#include "tests/simulation/estate.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class OneHistory : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S7"; }

  void TurnEnded(const Orchestrator& orchestrator,
                 const runtime::Glimpse& glimpse) override {
    if (glimpse.sequence < next_ || !glimpse.journal_problem.empty()) return;
    next_ = 2 * glimpse.sequence + 300;
    Compare(orchestrator, glimpse);
  }

  void Ended() override {
    Orchestrator& orchestrator = world_.primary();
    if (!orchestrator.problem().empty()) {
      return Violate(absl::StrCat("it does not start from its own journal: ",
                                  orchestrator.problem()));
    }
    if (!orchestrator.running()) return;
    const runtime::Glimpse glimpse = orchestrator.loop()->Look();
    if (glimpse.journal_problem.empty()) Compare(orchestrator, glimpse);
  }

 private:
  void Compare(const Orchestrator& orchestrator,
               const runtime::Glimpse& glimpse) {
    auto& disk = const_cast<Orchestrator&>(orchestrator).disk();
    if (disk.last() != glimpse.sequence) {
      return Violate(absl::StrCat("it says ", glimpse.sequence,
                                  " records are on disk, and ", disk.last(),
                                  " are"));
    }
    const auto memory = runtime::Replay(disk, LoadPlan);
    if (!memory.ok()) return Violate(std::string(memory.status().message()));
    if (memory->engine.StateDigest() != glimpse.engine.StateDigest()) {
      return Violate(absl::StrCat("after ", glimpse.sequence,
                                  " records a replay gives another state"));
    }
    for (const PlannedHost& host : world_.plan().hosts) {
      const auto here = glimpse.engine.Outstanding(host.id);
      const auto there = memory->engine.Outstanding(host.id);
      const bool same =
          std::equal(here.begin(), here.end(), there.begin(), there.end(),
                     [](const auto& a, const auto& b) { return a.id == b.id; });
      if (!same) {
        return Violate(
            absl::StrCat("a replay has other orders outstanding "
                         "for ",
                         host.id.str()));
      }
    }
  }

  uint64_t next_ = 150;
};

}  // namespace

std::unique_ptr<Checker> MakeHistoryChecker(World& world) {
  return std::make_unique<OneHistory>(world);
}

}  // namespace sluice::simulation
