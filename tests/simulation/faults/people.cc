// People: who isolate at any moment, pause, end, refuse, contradict each other
// and themselves, say it twice, and come late.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

using Scope = engine::IsolationOrdered::Scope;

class Isolates : public Fault {
 public:
  Isolates(Scope scope, SystemId system, HostId host)
      : scope_(scope), system_(std::move(system)), host_(std::move(host)) {}
  std::string Text() const override {
    return absl::StrCat("people isolate ",
                        scope_ == Scope::kSystem ? system_.str()
                        : scope_ == Scope::kHost ? host_.str()
                        : scope_ == Scope::kRun  ? "the run"
                                                 : "everything");
  }
  void Begin(World& world) override {
    world.people().Isolate(scope_, system_, host_);
  }

 private:
  const Scope scope_;
  const SystemId system_;
  const HostId host_;
};

class IsolatesLocally : public Fault {
 public:
  explicit IsolatesLocally(HostId host) : host_(std::move(host)) {}
  std::string Text() const override {
    return absl::StrCat("root isolates ", host_.str(), " on the host itself");
  }
  void Begin(World& world) override {
    world.host(host_).Feed(agent::IsolatedLocally{"root asked for it"});
  }

 private:
  const HostId host_;
};

class Pauses : public Fault {
 public:
  std::string Text() const override { return "people pause the run"; }
  void Begin(World& world) override {
    world.people().Ask(engine::RunPaused{world.plan().approvers.front().id});
  }
};

class Ends : public Fault {
 public:
  std::string Text() const override { return "people end the run"; }
  void Begin(World& world) override {
    world.people().Ask(
        engine::RunEnded{world.plan().approvers.front().id, "drawn"});
  }
};

class Mood : public Fault {
 public:
  Mood(int People::*what, const char* verb, int percent)
      : what_(what), verb_(verb), percent_(percent) {}
  std::string Text() const override {
    return absl::StrCat("people ", verb_, " ", percent_, " of 100 times, for ",
                        Seconds(lasts));
  }
  void Begin(World& world) override { world.people().*what_ += percent_; }
  void End(World& world) override { world.people().*what_ -= percent_; }

 private:
  int People::*const what_;
  const char* const verb_;
  const int percent_;
};

class Late : public Fault {
 public:
  explicit Late(absl::Duration by) : by_(by) {}
  std::string Text() const override {
    return absl::StrCat("people are up to ", Seconds(by_), " late");
  }
  void Begin(World& world) override { world.people().slow += by_; }
  void End(World& world) override { world.people().slow -= by_; }

 private:
  const absl::Duration by_;
};

}  // namespace

std::unique_ptr<Fault> DrawIsolate(World& world, Random& random) {
  const PlannedStep& step = random.Pick(world.plan().steps);
  const int scope = random.Between(0, 9);
  return std::make_unique<Isolates>(scope < 5   ? Scope::kSystem
                                    : scope < 8 ? Scope::kHost
                                    : scope < 9 ? Scope::kRun
                                                : Scope::kAll,
                                    step.system, AnyHost(world, random));
}
std::unique_ptr<Fault> DrawIsolateLocally(World& world, Random& random) {
  return std::make_unique<IsolatesLocally>(AnyHost(world, random));
}
std::unique_ptr<Fault> DrawPause(World&, Random&) {
  return std::make_unique<Pauses>();
}
std::unique_ptr<Fault> DrawEnd(World&, Random&) {
  return std::make_unique<Ends>();
}
std::unique_ptr<Fault> DrawRefusing(World&, Random& random) {
  auto fault = std::make_unique<Mood>(&People::refusing, "say no",
                                      random.Between(10, 80));
  fault->lasts = absl::Seconds(random.Between(10, 60));
  return fault;
}
std::unique_ptr<Fault> DrawTwice(World&, Random& random) {
  auto fault = std::make_unique<Mood>(&People::twice, "decide twice",
                                      random.Between(20, 100));
  fault->lasts = absl::Seconds(random.Between(10, 90));
  return fault;
}
std::unique_ptr<Fault> DrawSlowPeople(World&, Random& random) {
  auto fault = std::make_unique<Late>(absl::Seconds(random.Between(5, 400)));
  fault->lasts = absl::Seconds(random.Between(10, 90));
  return fault;
}

}  // namespace sluice::simulation
