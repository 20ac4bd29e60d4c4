// A kernel that takes no rules for a while, or does not keep them.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

class KernelRefuses : public Fault {
 public:
  explicit KernelRefuses(HostId host) : host_(std::move(host)) {}
  std::string Text() const override {
    return absl::StrCat("the kernel of ", host_.str(), " takes no rules for ",
                        Seconds(lasts));
  }
  void Begin(World& world) override {
    world.host(host_).kernel().FailWith(
        absl::InternalError("netlink: Cannot allocate memory"));
  }
  void End(World& world) override {
    world.host(host_).kernel().FailWith(absl::OkStatus());
  }

 private:
  const HostId host_;
};

class KernelUndone : public Fault {
 public:
  explicit KernelUndone(HostId host) : host_(std::move(host)) {}
  std::string Text() const override {
    return absl::StrCat("another program undoes each change of the fence of ",
                        host_.str(), " for ", Seconds(lasts));
  }
  void Begin(World& world) override {
    world.host(host_).kernel().set_undone(true);
  }
  void End(World& world) override {
    world.host(host_).kernel().set_undone(false);
  }

 private:
  const HostId host_;
};

}  // namespace

std::unique_ptr<Fault> DrawKernelUndone(World& world, Random& random) {
  auto fault = std::make_unique<KernelUndone>(AnyHost(world, random));
  fault->lasts = absl::Seconds(random.Between(1, 20));
  return fault;
}
std::unique_ptr<Fault> DrawKernelRefuses(World& world, Random& random) {
  auto fault = std::make_unique<KernelRefuses>(AnyHost(world, random));
  fault->lasts = absl::Seconds(random.Between(1, 20));
  return fault;
}

}  // namespace sluice::simulation
