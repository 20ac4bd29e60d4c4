// Disks that take nothing: the journal's, and an agent's.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

class JournalDiskFails : public Fault {
 public:
  explicit JournalDiskFails(bool full) : full_(full) {}
  std::string Text() const override {
    return absl::StrCat("the journal's disk is ", full_ ? "full" : "read-only",
                        " for ", Seconds(lasts));
  }
  void Begin(World& world) override {
    if (full_) {
      world.primary().disk().memory.FailWith(
          absl::ResourceExhaustedError("the disk is full"));
    } else {
      world.primary().disk().memory.set_read_only(true);
    }
  }
  void End(World& world) override {
    if (full_) {
      world.primary().disk().memory.FailWith(absl::OkStatus());
    } else {
      world.primary().disk().memory.set_read_only(false);
    }
  }

 private:
  const bool full_;
};

class JournalDiskHangs : public Fault {
 public:
  explicit JournalDiskHangs(bool dies) : dies_(dies) {}
  std::string Text() const override {
    return absl::StrCat("the journal's disk does not answer for ",
                        Seconds(lasts),
                        dies_ ? ", then the orchestrator is killed" : "");
  }
  void Begin(World& world) override { world.primary().SetHanging(true); }
  void End(World& world) override {
    // What was on its way is lost with the process.
    if (dies_) world.primary().Die();
    world.primary().SetHanging(false);
  }

 private:
  const bool dies_;
};

class AgentDiskFails : public Fault {
 public:
  explicit AgentDiskFails(HostId host) : host_(std::move(host)) {}
  std::string Text() const override {
    return absl::StrCat("the disk of ", host_.str(), " is full for ",
                        Seconds(lasts));
  }
  void Begin(World& world) override {
    world.host(host_).disk().failure =
        absl::ResourceExhaustedError("no space left on device");
  }
  void End(World& world) override {
    world.host(host_).disk().failure = absl::OkStatus();
  }

 private:
  const HostId host_;
};

std::unique_ptr<Fault> Journal(Random& random, bool full) {
  auto fault = std::make_unique<JournalDiskFails>(full);
  fault->lasts = absl::Seconds(random.Between(1, 60));
  return fault;
}

}  // namespace

std::unique_ptr<Fault> DrawDiskFull(World&, Random& random) {
  return Journal(random, true);
}
std::unique_ptr<Fault> DrawDiskReadOnly(World&, Random& random) {
  return Journal(random, false);
}
std::unique_ptr<Fault> DrawDiskHangs(World&, Random& random) {
  auto fault = std::make_unique<JournalDiskHangs>(random.Percent(30));
  fault->lasts = absl::Seconds(random.Between(1, 40));
  return fault;
}
std::unique_ptr<Fault> DrawAgentDiskFull(World& world, Random& random) {
  auto fault = std::make_unique<AgentDiskFails>(AnyHost(world, random));
  fault->lasts = absl::Seconds(random.Between(1, 60));
  return fault;
}

}  // namespace sluice::simulation
