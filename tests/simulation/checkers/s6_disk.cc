// S6: what an operator or an agent was told is on disk first, and is there
// after every crash; what an agent says is done is on its disk first.

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class OnDisk : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S6"; }

  void Answered(const Orchestrator& orchestrator, const engine::Event&,
                const runtime::Answer& answer) override {
    if (!answer.status.ok() || !answer.recorded) return;
    Need(orchestrator, answer.sequence, "an operator was answered");
  }

  void OrderLeft(const Orchestrator& orchestrator, uint64_t epoch,
                 const engine::Order& order) override {
    const std::vector<std::string> parts = absl::StrSplit(order.id.str(), '/');
    uint64_t sequence = 0;
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &sequence)) {
      return Violate(absl::StrCat("order ", order.id.str(), " is no name"));
    }
    const bool closes =
        std::holds_alternative<engine::IsolateHost>(order.what) ||
        std::holds_alternative<engine::Withdraw>(order.what);
    // S5's exception carries the instance.
    if (closes && absl::StrContains(parts[2], "~")) return;
    Need(orchestrator, sequence, absl::StrCat("order ", order.id.str()));
    Reign(orchestrator, epoch);
  }

  void Welcomed(const Orchestrator& orchestrator, const HostId&,
                uint64_t epoch) override {
    Reign(orchestrator, epoch);
  }

  void Recorded(const Orchestrator& orchestrator, const journal::Record&,
                const engine::Event& event) override {
    if (const auto* reign = std::get_if<engine::ReignBegan>(&event)) {
      reigns_[orchestrator.number()].insert(reign->epoch);
    }
  }

  void LostTail(const Orchestrator& orchestrator) override {
    told_.erase(orchestrator.number());
  }

  void Began(const Orchestrator& orchestrator) override {
    Need(orchestrator, told_[orchestrator.number()], "after a restart it");
  }

  void SaidBy(const Host& host, const agent::Message& message) override {
    const auto* report = std::get_if<agent::Report>(&message);
    if (!host.disk().failure.ok()) failed_.insert(host.id());
    if (report == nullptr || failed_.contains(host.id())) return;
    const bool accepted =
        std::holds_alternative<agent::ReleaseAnswer>(report->detail) &&
        std::get<agent::ReleaseAnswer>(report->detail).accepts;
    const auto* evidence = std::get_if<agent::EvidenceFrozen>(&report->detail);
    const bool frozen = evidence != nullptr;
    const bool kept = kept_.contains(report->order);
    if (report->outcome != agent::Outcome::kDone) return;
    // S5's exception says so.
    if (absl::StrContains(report->reason, "not written down")) return;
    if (!accepted && !frozen && !kept) return;
    // Answered again, what was written down then is so still, whatever waits
    // for the disk by now.
    const std::pair<HostId, agent::OrderId> said(host.id(), report->order);
    // So is evidence that is in what the disk took last, though more waits.
    const bool there =
        frozen && absl::StrContains(host.disk().text, evidence->digest);
    if (there || host.disk().serial >= report->fence.state_serial) {
      written_.insert(said);
    } else if (!written_.contains(said)) {
      Violate(absl::StrCat(host.id().str(), " says ", report->order.str(),
                           " is done and has not written it down"));
    }
  }
  void OrderArrived(const Host&, const agent::Order& order) override {
    if (std::holds_alternative<agent::IsolateHost>(order.what) ||
        std::holds_alternative<agent::Withdraw>(order.what) ||
        std::holds_alternative<agent::Confirm>(order.what)) {
      kept_.insert(order.id);
    }
  }

 private:
  void Need(const Orchestrator& orchestrator, uint64_t sequence,
            const std::string& what) {
    uint64_t& told = told_[orchestrator.number()];
    told = std::max(told, sequence);
    if (sequence <= orchestrator.disk().last()) return;
    Violate(absl::StrCat(what, " rests on record ", sequence,
                         ", and the disk ends at ",
                         orchestrator.disk().last()));
  }
  void Reign(const Orchestrator& orchestrator, uint64_t epoch) {
    if (reigns_[orchestrator.number()].contains(epoch)) return;
    Violate(absl::StrCat("an agent heard of epoch ", epoch,
                         ", which is not on disk"));
  }

  std::map<int, uint64_t> told_;
  std::map<int, std::set<uint64_t>> reigns_;
  std::set<agent::OrderId> kept_;
  std::set<std::pair<HostId, agent::OrderId>> written_;
  std::set<HostId> failed_;
};

}  // namespace

std::unique_ptr<Checker> MakeDiskChecker(World& world) {
  return std::make_unique<OnDisk>(world);
}

}  // namespace sluice::simulation
