// Hosts that cannot reach the orchestrator, in one direction or both.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

class Partition : public Fault {
 public:
  Partition(std::vector<HostId> hosts, bool up, bool down, std::string who)
      : hosts_(std::move(hosts)), up_(up), down_(down), who_(std::move(who)) {}
  std::string Text() const override {
    return absl::StrCat(who_, " cut off ",
                        up_ && down_ ? "both ways"
                        : up_        ? "from speaking"
                                     : "from hearing",
                        " for ", Seconds(lasts));
  }
  void Begin(World& world) override {
    for (const HostId& host : hosts_) {
      if (up_ && world.network().cut.insert({host, Way::kUp}).second) {
        ours_.push_back({host, Way::kUp});
      }
      if (down_ && world.network().cut.insert({host, Way::kDown}).second) {
        ours_.push_back({host, Way::kDown});
      }
    }
  }
  void End(World& world) override {
    for (const auto& one : ours_) world.network().cut.erase(one);
  }

 private:
  const std::vector<HostId> hosts_;
  const bool up_;
  const bool down_;
  const std::string who_;
  std::vector<std::pair<HostId, Way>> ours_;
};

class LinkBreaks : public Fault {
 public:
  explicit LinkBreaks(HostId host) : host_(std::move(host)) {}
  std::string Text() const override {
    return absl::StrCat("the link of ", host_.str(), " breaks");
  }
  void Begin(World& world) override {
    world.network().Break(host_, "the link broke");
  }

 private:
  const HostId host_;
};

}  // namespace

std::unique_ptr<Fault> DrawPartition(World& world, Random& random) {
  const HostId host = AnyHost(world, random);
  const int ways = random.Between(1, 4);  // both, half of the time
  auto fault =
      std::make_unique<Partition>(std::vector<HostId>{host}, ways != 1,
                                  ways != 2, absl::StrCat(host.str(), " is"));
  fault->lasts = absl::Seconds(random.Between(2, 90));
  return fault;
}

std::unique_ptr<Fault> DrawPartitionAll(World& world, Random& random) {
  std::vector<HostId> hosts;
  const bool half = random.Percent(50);
  for (const PlannedHost& host : world.plan().hosts) {
    if (!half || random.Percent(50)) hosts.push_back(host.id);
  }
  auto fault = std::make_unique<Partition>(
      hosts, true, true, absl::StrCat(hosts.size(), " hosts are"));
  fault->lasts = absl::Seconds(random.Between(2, 90));
  return fault;
}

std::unique_ptr<Fault> DrawLinkBreaks(World& world, Random& random) {
  return std::make_unique<LinkBreaks>(AnyHost(world, random));
}

}  // namespace sluice::simulation
