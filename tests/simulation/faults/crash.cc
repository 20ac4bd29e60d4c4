// Processes that die, at a time or at a step.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

enum class Point { kNow, kBeforeWriting, kAfterWriting, kSending, kFreezing };

class OrchestratorDies : public Fault {
 public:
  OrchestratorDies(Point point, int count) : point_(point), count_(count) {}
  std::string Text() const override {
    switch (point_) {
      case Point::kNow:
        return "the orchestrator dies";
      case Point::kBeforeWriting:
        return "the orchestrator dies as it writes; nothing is on disk";
      case Point::kAfterWriting:
        return "the orchestrator dies after it wrote, before it sends";
      case Point::kSending:
        return absl::StrCat("the orchestrator dies after ", count_,
                            " more orders");
      case Point::kFreezing:
        return absl::StrCat("the orchestrator stands still for ", count_, "s");
    }
    return "";
  }
  void Begin(World& world) override {
    Orchestrator& orchestrator = world.primary();
    switch (point_) {
      case Point::kNow:
        return orchestrator.Die();
      case Point::kBeforeWriting:
        orchestrator.disk().die = JournalDisk::Die::kBefore;
        return;
      case Point::kAfterWriting:
        orchestrator.disk().die = JournalDisk::Die::kAfter;
        return;
      case Point::kSending:
        orchestrator.die_after_sends = count_;
        return;
      case Point::kFreezing:
        orchestrator.frozen_until = world.now() + absl::Seconds(count_);
        return;
    }
  }
  void End(World& world) override {
    world.primary().disk().die = JournalDisk::Die::kNo;
    world.primary().die_after_sends = 0;
    world.primary().frozen_until = absl::InfinitePast();
  }

 private:
  const Point point_;
  const int count_;
};

class AgentDies : public Fault {
 public:
  AgentDies(HostId host, int commands)
      : host_(std::move(host)), commands_(commands) {}
  std::string Text() const override {
    return commands_ == 0
               ? absl::StrCat("the agent of ", host_.str(), " dies")
               : absl::StrCat("the agent of ", host_.str(), " dies before its ",
                              commands_, ". next act");
  }
  void Begin(World& world) override {
    if (commands_ == 0) {
      world.host(host_).KillAgent();
    } else {
      world.host(host_).CrashAfter(commands_);
    }
  }
  void End(World& world) override { world.host(host_).CrashAfter(0); }

 private:
  const HostId host_;
  const int commands_;
};

}  // namespace

std::unique_ptr<Fault> DrawOrchestratorDies(World&, Random&) {
  return std::make_unique<OrchestratorDies>(Point::kNow, 0);
}
std::unique_ptr<Fault> DrawOrchestratorDiesWriting(World&, Random& random) {
  return std::make_unique<OrchestratorDies>(
      random.Percent(50) ? Point::kBeforeWriting : Point::kAfterWriting, 0);
}
std::unique_ptr<Fault> DrawOrchestratorDiesSending(World&, Random& random) {
  return std::make_unique<OrchestratorDies>(Point::kSending,
                                            random.Between(1, 20));
}
std::unique_ptr<Fault> DrawOrchestratorFreezes(World&, Random& random) {
  return std::make_unique<OrchestratorDies>(Point::kFreezing,
                                            random.Between(1, 60));
}
std::unique_ptr<Fault> DrawAgentDies(World& world, Random& random) {
  return std::make_unique<AgentDies>(AnyHost(world, random), 0);
}
std::unique_ptr<Fault> DrawAgentDiesBetween(World& world, Random& random) {
  return std::make_unique<AgentDies>(AnyHost(world, random),
                                     random.Between(1, 25));
}

}  // namespace sluice::simulation
