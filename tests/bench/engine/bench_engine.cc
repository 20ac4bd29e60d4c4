// The engine alone: a whole run of many systems, recorded once and then stepped
// again through fresh engines. What is counted is Engine::Step and nothing
// else.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "orchestrator/planner/plan.h"
#include "tests/bench/engine/timed_world.h"
#include "tests/scenarios/fake_world.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Events a second over the journal, made one after the other.
double Replay(
    const std::vector<std::pair<engine::Stamp, engine::Event>>& journal) {
  engine::Engine engine;
  size_t commands = 0;
  const auto begin = Clock::now();
  for (const auto& [stamp, event] : journal) {
    commands += engine.Step(stamp, event).commands.size();
  }
  const double took = Seconds(Clock::now() - begin);
  if (commands == 0) std::abort();  // nothing was measured
  return static_cast<double>(journal.size()) / took;
}

int Main(int argc, char** argv) {
  testing::EstateShape shape;
  if (argc > 1) shape.systems = std::max(10, std::atoi(argv[1]));
  const auto plan = testing::PlanOf(testing::ManifestOf(shape));
  if (!plan.ok()) {
    std::fprintf(stderr, "bench-engine: %s\n",
                 std::string(plan.status().message()).c_str());
    return 1;
  }
  testing::TimedWorld world(*plan, absl::Milliseconds(20));
  if (world.Run() == absl::InfiniteDuration()) {
    std::fprintf(stderr, "bench-engine: not everything came back\n");
    return 1;
  }
  std::vector<double> rates;
  for (int i = 0; i < 7; ++i) rates.push_back(Replay(world.journal()));
  std::sort(rates.begin(), rates.end());
  std::printf(
      "engine alone  %.0f events/s  (median of 7, %.0f to %.0f; a run of %d "
      "systems, %zu events)\n",
      rates[rates.size() / 2], rates.front(), rates.back(), shape.systems,
      world.journal().size());
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
