// Clocks: the orchestrator's wall, which shows when it starts again, and the
// hosts' boot clocks, which run a little fast or slow.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

class WallClockJumps : public Fault {
 public:
  explicit WallClockJumps(absl::Duration by) : by_(by) {}
  std::string Text() const override {
    return absl::StrCat("the wall clock is off by ", absl::FormatDuration(by_),
                        ", and the orchestrator starts anew");
  }
  void Begin(World& world) override {
    world.primary().wall_error += by_;
    world.primary().Die();
  }

 private:
  const absl::Duration by_;
};

class Drifts : public Fault {
 public:
  Drifts(HostId host, int percent)
      : host_(std::move(host)), percent_(percent) {}
  std::string Text() const override {
    return absl::StrCat("the boot clock of ", host_.str(), " runs ",
                        percent_ > 0 ? "fast" : "slow", " by ",
                        percent_ > 0 ? percent_ : -percent_, " of 100 for ",
                        Seconds(lasts));
  }
  void Begin(World& world) override {
    world.host(host_).SetRate(1.0 + percent_ * 0.01);
  }
  void End(World& world) override { world.host(host_).SetRate(1.0); }

 private:
  const HostId host_;
  const int percent_;
};

}  // namespace

std::unique_ptr<Fault> DrawWallClock(World&, Random& random) {
  return std::make_unique<WallClockJumps>(
      absl::Seconds(random.Between(-100'000, 100'000)));
}

std::unique_ptr<Fault> DrawDrift(World& world, Random& random) {
  auto fault = std::make_unique<Drifts>(
      AnyHost(world, random),
      random.Percent(50) ? random.Between(1, 10) : -random.Between(1, 10));
  fault->lasts = absl::Seconds(random.Between(20, 100));
  return fault;
}

}  // namespace sluice::simulation
