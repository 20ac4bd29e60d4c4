// What runs over the network that Sluice guards: for each flow of the plan a
// client that opens a session when it can, sends, is answered, and keeps
// trying for a while when nothing passes any more. Whether a packet passes is
// the kernels' word alone; that no dead session comes back is S4.

#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "orchestrator/planner/plan.h"
#include "tests/simulation/kernel.h"
#include "tests/simulation/random.h"
#include "tests/simulation/watcher.h"

namespace sluice::simulation {

class World;

class Traffic {
 public:
  Traffic(World& world, uint64_t seed);
  void Begin();

  // A packet of one end, through every fence on the way; `syn` opens.
  bool Send(const Session& session, bool from_client, bool syn);
  // Whether a new connection along `flow`, one of the plan's, is answered.
  bool Reaches(const Flow& flow);

 private:
  struct Old {
    Session session;
    int age = 0;
  };
  struct App {
    Session fresh;    // what a new one looks like
    Session session;  // number 0: none
    int refused = 0;  // times in a row that nothing passed
    std::vector<Old> old;
  };
  void Tick(size_t app);

  World& world_;
  Random random_;
  std::vector<App> apps_;
  std::map<Flow, HostFlow> paths_;
  uint64_t last_ = 0;
};

}  // namespace sluice::simulation
