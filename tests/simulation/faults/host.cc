// Machines that go down, and one that comes back as it was.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

class Reboots : public Fault {
 public:
  Reboots(std::vector<HostId> hosts, absl::Duration down, std::string who)
      : hosts_(std::move(hosts)), down_(down), who_(std::move(who)) {}
  std::string Text() const override {
    return absl::StrCat(who_, " down for ", Seconds(down_));
  }
  void Begin(World& world) override {
    for (const HostId& host : hosts_) {
      if (world.host(host).powered()) world.host(host).Reboot(down_);
    }
  }

 private:
  const std::vector<HostId> hosts_;
  const absl::Duration down_;
  const std::string who_;
};

class RollsBack : public Fault {
 public:
  RollsBack(HostId host, size_t saves)
      : host_(std::move(host)), saves_(saves) {}
  std::string Text() const override {
    return absl::StrCat(host_.str(), " is rolled back by ", saves_, " saves");
  }
  void Begin(World& world) override {
    if (world.host(host_).powered()) world.host(host_).RollBack(saves_);
  }

 private:
  const HostId host_;
  const size_t saves_;
};

class DamagesFile : public Fault {
 public:
  explicit DamagesFile(HostId host) : host_(std::move(host)) {}
  std::string Text() const override {
    return absl::StrCat("the agent.yaml of ", host_.str(),
                        " cannot be read for ", Seconds(lasts));
  }
  void Begin(World& world) override {
    world.host(host_).file_damaged = true;
    world.host(host_).KillAgent();
  }
  // Somebody mends it, and starts the agent again.
  void End(World& world) override {
    world.host(host_).file_damaged = false;
    world.host(host_).KillAgent();
  }

 private:
  const HostId host_;
};

}  // namespace

std::unique_ptr<Fault> DrawAgentFileDamaged(World& world, Random& random) {
  auto fault = std::make_unique<DamagesFile>(AnyHost(world, random));
  fault->lasts = absl::Seconds(random.Between(5, 60));
  return fault;
}
std::unique_ptr<Fault> DrawReboot(World& world, Random& random) {
  const HostId host = AnyHost(world, random);
  return std::make_unique<Reboots>(std::vector<HostId>{host},
                                   absl::Seconds(random.Between(1, 80)),
                                   absl::StrCat(host.str(), " is"));
}

std::unique_ptr<Fault> DrawPowerCut(World& world, Random& random) {
  std::vector<HostId> hosts;
  for (const PlannedHost& host : world.plan().hosts) {
    if (random.Percent(70)) hosts.push_back(host.id);
  }
  const std::string who = absl::StrCat(hosts.size(), " hosts are");
  return std::make_unique<Reboots>(std::move(hosts),
                                   absl::Seconds(random.Between(1, 30)), who);
}

std::unique_ptr<Fault> DrawRollBack(World& world, Random& random) {
  return std::make_unique<RollsBack>(
      AnyHost(world, random), static_cast<size_t>(random.Between(1, 20)));
}

}  // namespace sluice::simulation
