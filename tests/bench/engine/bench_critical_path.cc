// How much longer a run takes than its critical path: a thousand systems, one
// gate, agents that take as long as the manifest expects, simulated time.

#include <cstdio>

#include "orchestrator/planner/plan.h"
#include "tests/bench/engine/timed_world.h"
#include "tests/scenarios/fake_world.h"

namespace sluice {
namespace {

int Main() {
  const testing::EstateShape shape;
  const auto plan = testing::PlanOf(testing::ManifestOf(shape));
  if (!plan.ok()) {
    std::fprintf(stderr, "bench-critical-path: %s\n",
                 std::string(plan.status().message()).c_str());
    return 1;
  }
  testing::TimedWorld world(*plan, absl::Milliseconds(20));
  const absl::Duration took = world.Run();
  if (took == absl::InfiniteDuration()) {
    std::fprintf(stderr,
                 "bench-critical-path: not everything came back within a "
                 "simulated day\n");
    return 1;
  }
  const double path = absl::ToDoubleSeconds((*plan)->critical_duration);
  const double wall = absl::ToDoubleSeconds(took);
  std::printf(
      "{\"systems\": %d, \"run_seconds\": %.3f, \"path_seconds\": %.3f, "
      "\"systems_on_the_path\": %zu}\n",
      shape.systems, wall, path, (*plan)->critical_path.size());
  return 0;
}

}  // namespace
}  // namespace sluice

int main() { return sluice::Main(); }
