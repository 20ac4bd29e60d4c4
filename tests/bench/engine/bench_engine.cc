// The engine alone: a whole run of many systems, recorded once and then stepped
// again through fresh engines. What is counted is Engine::Step and nothing
// else. One line of JSON: events a second, each time.
//
//   bench-engine [SYSTEMS] [TIMES]

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "orchestrator/planner/plan.h"
#include "tests/bench/engine/timed_world.h"
#include "tests/scenarios/fake_world.h"

namespace sluice {
namespace {

// Of this process: other programs on the machine do not count.
double Seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_nsec) * 1e-9;
}

// Events a second over the journal, made one after the other.
double Replay(
    const std::vector<std::pair<engine::Stamp, engine::Event>>& journal) {
  engine::Engine engine;
  size_t commands = 0;
  const double begin = Seconds();
  for (const auto& [stamp, event] : journal) {
    commands += engine.Step(stamp, event).commands.size();
  }
  const double took = Seconds() - begin;
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
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 7;
  for (int i = 0; i < rounds; ++i) rates.push_back(Replay(world.journal()));
  std::sort(rates.begin(), rates.end());
  std::printf("{\"systems\": %d, \"events\": %zu, \"rates\": [", shape.systems,
              world.journal().size());
  for (size_t i = 0; i < rates.size(); ++i) {
    std::printf("%s%.0f", i == 0 ? "" : ", ", rates[i]);
  }
  std::printf("]}\n");
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
