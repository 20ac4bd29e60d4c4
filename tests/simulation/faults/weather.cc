// A network that loses, delays, repeats and reorders.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

class BadWeather : public Fault {
 public:
  BadWeather(int Weather::*what, const char* verb, int percent)
      : what_(what), verb_(verb), percent_(percent) {}
  std::string Text() const override {
    return absl::StrCat("the network ", verb_, " ", percent_,
                        " of 100 messages for ", Seconds(lasts));
  }
  void Begin(World& world) override {
    world.network().weather.*what_ += percent_;
  }
  void End(World& world) override {
    world.network().weather.*what_ -= percent_;
  }

 private:
  int Weather::*const what_;
  const char* const verb_;
  const int percent_;
};

class SlowNetwork : public Fault {
 public:
  explicit SlowNetwork(absl::Duration delay) : delay_(delay) {}
  std::string Text() const override {
    return absl::StrCat("the network is up to ", absl::FormatDuration(delay_),
                        " late for ", Seconds(lasts));
  }
  void Begin(World& world) override { world.network().weather.delay += delay_; }
  void End(World& world) override { world.network().weather.delay -= delay_; }

 private:
  const absl::Duration delay_;
};

std::unique_ptr<Fault> Make(Random& random, int Weather::*what,
                            const char* verb, int low, int high) {
  auto fault =
      std::make_unique<BadWeather>(what, verb, random.Between(low, high));
  fault->lasts = absl::Seconds(random.Between(5, 40));
  return fault;
}

}  // namespace

std::unique_ptr<Fault> DrawLose(World&, Random& random) {
  return Make(random, &Weather::lose, "loses", 1, 5);
}
std::unique_ptr<Fault> DrawDuplicate(World&, Random& random) {
  return Make(random, &Weather::duplicate, "repeats", 5, 60);
}
std::unique_ptr<Fault> DrawReorder(World&, Random& random) {
  return Make(random, &Weather::reorder, "reorders", 5, 40);
}
std::unique_ptr<Fault> DrawDelay(World&, Random& random) {
  auto fault = std::make_unique<SlowNetwork>(
      absl::Milliseconds(random.Between(50, 8000)));
  fault->lasts = absl::Seconds(random.Between(5, 40));
  return fault;
}

}  // namespace sluice::simulation
