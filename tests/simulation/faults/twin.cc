// A second orchestrator, started from a copy of the journal, that takes some
// hosts over: the reign of one of the two is the older one.

#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

class Twin : public Fault {
 public:
  Twin(std::vector<HostId> hosts, size_t older)
      : hosts_(std::move(hosts)), older_(older) {}
  std::string Text() const override {
    return absl::StrCat("a twin starts from the journal without its last ",
                        older_, " records, takes ", hosts_.size(),
                        " hosts over for ", Seconds(lasts));
  }
  void Begin(World& world) override {
    auto& records = world.primary().disk().memory.records();
    if (records.size() <= older_ + 2) return;
    twin_ = &world.AddOrchestrator();
    twin_->disk().memory.records().assign(
        records.begin(), records.end() - static_cast<ptrdiff_t>(older_));
    world.watchers().Copied(world.primary(), *twin_, records.size() - older_);
    if (!twin_->Start()) return;
    for (const HostId& host : hosts_) {
      world.network().bent[host] = twin_->number();
      world.network().Break(host, "the link broke");
    }
  }
  void End(World& world) override {
    if (twin_ == nullptr) return;
    for (const HostId& host : hosts_) {
      const auto bent = world.network().bent.find(host);
      if (bent != world.network().bent.end() &&
          bent->second == twin_->number()) {
        world.network().bent.erase(bent);
      }
    }
    twin_->Die();
  }

 private:
  const std::vector<HostId> hosts_;
  const size_t older_;
  Orchestrator* twin_ = nullptr;
};

}  // namespace

std::unique_ptr<Fault> DrawTwin(World& world, Random& random) {
  std::vector<HostId> hosts;
  for (const PlannedHost& host : world.plan().hosts) {
    if (random.Percent(60)) hosts.push_back(host.id);
  }
  auto fault = std::make_unique<Twin>(
      std::move(hosts), static_cast<size_t>(random.Between(0, 30)));
  fault->lasts = absl::Seconds(random.Between(5, 60));
  return fault;
}

}  // namespace sluice::simulation
