// Checks that fail, that cannot tell, that take long, that never end.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

class BadVerdict : public Fault {
 public:
  BadVerdict(HostId host, CheckId check, Verdict verdict)
      : host_(std::move(host)), check_(std::move(check)), verdict_(verdict) {}
  std::string Text() const override {
    return absl::StrCat(check_.str(), " on ", host_.str(), " says ",
                        std::string(VerdictName(verdict_)), " for ",
                        Seconds(lasts));
  }
  void Begin(World& world) override {
    world.host(host_).verdicts[check_] = {verdict_, "drawn", ""};
  }
  void End(World& world) override { world.host(host_).verdicts.erase(check_); }

 private:
  const HostId host_;
  const CheckId check_;
  const Verdict verdict_;
};

class SlowChecks : public Fault {
 public:
  SlowChecks(HostId host, absl::Duration by)
      : host_(std::move(host)), by_(by) {}
  std::string Text() const override {
    return absl::StrCat("checks on ", host_.str(), " take ", Seconds(by_),
                        " longer for ", Seconds(lasts));
  }
  void Begin(World& world) override { world.host(host_).slow_checks += by_; }
  void End(World& world) override { world.host(host_).slow_checks -= by_; }

 private:
  const HostId host_;
  const absl::Duration by_;
};

class Silent : public Fault {
 public:
  explicit Silent(HostId host) : host_(std::move(host)) {}
  std::string Text() const override {
    return absl::StrCat("checks on ", host_.str(), " never end, for ",
                        Seconds(lasts));
  }
  void Begin(World& world) override { world.host(host_).silent_checks = true; }
  // What hangs is killed with its agent.
  void End(World& world) override {
    world.host(host_).silent_checks = false;
    world.host(host_).KillAgent();
  }

 private:
  const HostId host_;
};

std::unique_ptr<Fault> Bad(World& world, Random& random, Verdict verdict) {
  std::vector<std::pair<HostId, CheckId>> all;
  for (const PlannedStep& step : world.plan().steps) {
    for (const auto* checks : {&step.inspect, &step.health, &step.watch}) {
      for (const PlannedCheck& check : *checks) {
        for (const HostId& host : step.hosts) all.emplace_back(host, check.id);
      }
    }
  }
  const auto& [host, check] = random.Pick(all);
  auto fault = std::make_unique<BadVerdict>(host, check, verdict);
  fault->lasts = absl::Seconds(random.Between(1, 30));
  return fault;
}

}  // namespace

std::unique_ptr<Fault> DrawCheckFails(World& world, Random& random) {
  return Bad(world, random, Verdict::kFail);
}
std::unique_ptr<Fault> DrawCheckInconclusive(World& world, Random& random) {
  return Bad(world, random, Verdict::kInconclusive);
}
std::unique_ptr<Fault> DrawSlowChecks(World& world, Random& random) {
  auto fault = std::make_unique<SlowChecks>(
      AnyHost(world, random), absl::Seconds(random.Between(1, 60)));
  fault->lasts = absl::Seconds(random.Between(5, 60));
  return fault;
}
std::unique_ptr<Fault> DrawSilentChecks(World& world, Random& random) {
  auto fault = std::make_unique<Silent>(AnyHost(world, random));
  fault->lasts = absl::Seconds(random.Between(5, 60));
  return fault;
}

}  // namespace sluice::simulation
