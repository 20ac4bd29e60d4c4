// Disks that take nothing: the journal's, and an agent's.

#include <optional>

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

class JournalDiskLies : public Fault {
 public:
  std::string Text() const override {
    return absl::StrCat("the journal's disk syncs nothing for ", Seconds(lasts),
                        ", then the power is cut");
  }
  void Begin(World& world) override {
    world.primary().disk().memory.set_lying(true);
  }
  void End(World& world) override {
    Orchestrator& orchestrator = world.primary();
    orchestrator.Die();
    orchestrator.disk().memory.LosePower();
    orchestrator.disk().memory.set_lying(false);
    world.watchers().LostTail(orchestrator);
  }
};

class JournalTorn : public Fault {
 public:
  explicit JournalTorn(size_t left) : left_(left) {}
  std::string Text() const override {
    return absl::StrCat("the journal's last record is torn to ", left_,
                        " bytes; a copy is put back after ", Seconds(lasts));
  }
  void Begin(World& world) override {
    Orchestrator& orchestrator = world.primary();
    orchestrator.Die();
    journal::MemoryJournal& memory = orchestrator.disk().memory;
    // A copy of what is torn already would be no copy.
    if (memory.records().empty() || orchestrator.disk().torn) return;
    orchestrator.disk().torn = true;
    copy_ = memory.records();
    memory.Tear(left_);
    // Half a history is none: it stops with a sentence.
    if (orchestrator.Start()) {
      world.Violate("S7", "an orchestrator started from a torn journal");
    }
  }
  void End(World& world) override {
    if (!copy_.has_value()) return;
    world.primary().Die();
    journal::MemoryJournal restored;
    restored.records() = *copy_;
    restored.Sync();
    world.primary().disk().memory = std::move(restored);
    world.primary().disk().torn = false;
  }

 private:
  const size_t left_;
  std::optional<std::vector<journal::Record>> copy_;
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

class AgentDiskHangs : public Fault {
 public:
  explicit AgentDiskHangs(HostId host) : host_(std::move(host)) {}
  std::string Text() const override {
    return absl::StrCat("the disk of ", host_.str(), " does not answer for ",
                        Seconds(lasts));
  }
  void Begin(World& world) override { world.host(host_).HangDisk(); }
  void End(World& world) override { world.host(host_).EndHang(); }

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
std::unique_ptr<Fault> DrawDiskLies(World&, Random& random) {
  auto fault = std::make_unique<JournalDiskLies>();
  fault->lasts = absl::Seconds(random.Between(1, 30));
  return fault;
}
std::unique_ptr<Fault> DrawJournalTorn(World&, Random& random) {
  auto fault = std::make_unique<JournalTorn>(random.Below(40));
  fault->lasts = absl::Seconds(random.Between(1, 40));
  return fault;
}
std::unique_ptr<Fault> DrawAgentDiskHangs(World& world, Random& random) {
  auto fault = std::make_unique<AgentDiskHangs>(AnyHost(world, random));
  fault->lasts = absl::Seconds(random.Between(1, 20));
  return fault;
}
std::unique_ptr<Fault> DrawAgentDiskFull(World& world, Random& random) {
  auto fault = std::make_unique<AgentDiskFails>(AnyHost(world, random));
  fault->lasts = absl::Seconds(random.Between(1, 60));
  return fault;
}

}  // namespace sluice::simulation
