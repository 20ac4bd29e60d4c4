// An estate whose agents take simulated time for what they are told, so that
// the length of a run can be compared with the least it could be.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/engine/engine.h"
#include "tests/scenarios/fake_agent.h"

namespace sluice::testing {

struct EstateShape {
  int systems = 1000;
  int layers = 12;  // how deep needs go
  int needs = 2;    // of each system below the first layer
  uint32_t seed = 1;
};

// One host and one stage for all; each system says how long it is expected to
// take, between 2 and 20 seconds, and soaks 10 to 60.
std::string ManifestOf(const EstateShape& shape);

class TimedWorld {
 public:
  // Checks take as long as the system is expected to; the rest takes `way`.
  TimedWorld(std::shared_ptr<const Plan> plan, absl::Duration way);

  // Isolates everything, starts, says go to whatever asks, until everything is
  // back. Returns how long it took from the first go; infinite: it never was.
  absl::Duration Run();

  // All that was stepped, in order.
  const std::vector<std::pair<engine::Stamp, engine::Event>>& journal() const {
    return journal_;
  }
  const engine::Engine& engine() const { return engine_; }

 private:
  struct Arrival {
    absl::Time at;
    uint64_t order = 0;  // of two at once the one sent first
    engine::Event event;
    bool operator<(const Arrival& other) const {
      return std::tie(other.at, other.order) < std::tie(at, order);
    }
  };

  void Step(const engine::Event& event);
  absl::Duration Takes(const engine::Order& order) const;
  void Renew();
  bool GoToWhatAsks();

  std::shared_ptr<const Plan> plan_;
  const absl::Duration way_;
  engine::Engine engine_;
  std::map<HostId, FakeAgent> agents_;
  std::map<CheckId, absl::Duration> expected_;  // of a step's first check
  std::priority_queue<Arrival> arrivals_;
  std::vector<std::pair<engine::Stamp, engine::Event>> journal_;
  std::optional<absl::Time> deadline_;
  absl::Time now_;
  uint64_t sequence_ = 0;
  uint64_t sent_ = 0;
  bool all_back_ = false;
};

}  // namespace sluice::testing
