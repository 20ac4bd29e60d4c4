// S10: an order to open leaves only when different people, who truly said go
// to exactly this body, fill the quorum, nobody said no to it, and inspections
// ran again since.

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "tests/simulation/checkers/quorum.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class Votes : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S10"; }

  void Signed(const engine::DecisionMade& decision) override {
    if (decision.go) said_go_[decision.body_digest].insert(decision.by);
  }

  // What was refused is forgotten, and may be asked again.
  void LostTail(const Orchestrator&) override { refused_.clear(); }

  void Recorded(const Orchestrator& orchestrator, const journal::Record&,
                const engine::Event& event) override {
    if (orchestrator.number() != 0) return;
    if (const auto* report = std::get_if<engine::OrderReported>(&event)) {
      NoteInspection(*report);
    }
    if (const auto* word = std::get_if<engine::PointReported>(&event)) {
      CheckMay(*word);
    }
    const auto* decision = std::get_if<engine::DecisionMade>(&event);
    if (decision != nullptr && !decision->go) {
      refused_.insert(decision->body_digest);
    }
  }

  void OrderLeft(const Orchestrator& orchestrator, uint64_t,
                 const engine::Order& order) override {
    if (const auto* propose = std::get_if<engine::Propose>(&order.what)) {
      const auto body = ReleaseOrder::Parse(propose->body.str());
      if (!body.ok()) return;
      bodies_.emplace(Sha256(propose->body.str()), *body);
      if (orchestrator.number() == 0) {
        proposed_.try_emplace(Sha256(propose->body.str()), world_.now());
      }
      return;
    }
    const auto* checks = std::get_if<engine::RunChecks>(&order.what);
    if (checks != nullptr && orchestrator.number() == 0) {
      checks_[order.id] = checks->checks;
      return;
    }
    const auto* open = std::get_if<engine::OpenFlows>(&order.what);
    if (open == nullptr) return;
    const std::string& digest = open->release_digest;
    const auto body = bodies_.find(digest);
    // Its proposal could not leave: no host was shown it, and all refuse.
    if (body == bodies_.end()) return;
    std::set<OperatorId> truly;
    for (const engine::DecisionMade& decision : open->decisions) {
      if (decision.body_digest != digest || !decision.go) continue;
      if (said_go_[digest].contains(decision.by)) truly.insert(decision.by);
    }
    if (!QuorumMet(body->second, truly, world_.plan())) {
      return Violate(absl::StrCat(
          order.id.str(), " opens under ", ShortDigest(digest), " of ",
          body->second.stage.str(), " without its quorum"));
    }
    if (orchestrator.number() == 0) CheckInspected(order, *open);
    if (orchestrator.number() == 0 && refused_.contains(digest)) {
      Violate(absl::StrCat(order.id.str(), " opens under ", ShortDigest(digest),
                           ", to which somebody said no"));
    }
  }

 private:
  void NoteInspection(const engine::OrderReported& report) {
    const auto asked = checks_.find(report.order);
    const auto* done = std::get_if<engine::ChecksDone>(&report.detail);
    if (asked == checks_.end() || done == nullptr || asked->second.empty()) {
      return;
    }
    const bool failed = std::any_of(
        done->results.begin(), done->results.end(), [](const auto& result) {
          return result.result.verdict == Verdict::kFail;
        });
    if (!failed) {
      inspected_[{asked->second[0].id, report.host}] = world_.now();
    }
    checks_.erase(asked);
  }

  // The word of one whom the point is for, and who says what they saw.
  void CheckMay(const engine::PointReported& word) {
    const PlannedHost* host = world_.plan().FindHost(word.host);
    const Approver* by = world_.plan().FindApprover(word.by);
    const RoleId owner = host == nullptr ? RoleId() : host->instructions.owner;
    const bool may =
        by != nullptr &&
        (owner.empty() || std::find(by->roles.begin(), by->roles.end(),
                                    owner) != by->roles.end());
    if (may && !word.saw.empty()) return;
    Violate(absl::StrCat(
        word.by.str(), " is believed on ", word.task.str(),
        may ? ", and says nothing of what they saw" : ", which is not theirs"));
  }

  // Between asking people and opening, inspections ran again on enough hosts,
  // but for those where no program can.
  void CheckInspected(const engine::Order& order,
                      const engine::OpenFlows& open) {
    const auto proposed = proposed_.find(open.release_digest);
    if (proposed == proposed_.end()) return;
    for (const PlannedStep& step : world_.plan().steps) {
      if (step.inspect.empty()) continue;
      const bool opens = std::any_of(
          step.grants.begin(), step.grants.end(), [&](const GrantId& grant) {
            return std::find(open.grants.begin(), open.grants.end(), grant) !=
                   open.grants.end();
          });
      if (!opens) continue;
      int inspected = 0;
      for (const HostId& host : step.hosts) {
        const PlannedHost* planned = world_.plan().FindHost(host);
        if (planned != nullptr && !planned->has_agent()) ++inspected;
        const auto at = inspected_.find({step.inspect[0].id, host});
        if (at != inspected_.end() && at->second >= proposed->second) {
          ++inspected;
        }
      }
      if (inspected >= step.enough) continue;
      return Violate(absl::StrCat(order.id.str(), " opens flows of ",
                                  step.id.str(),
                                  ", which was not inspected again"));
    }
  }

  std::map<engine::OrderId, std::vector<PlannedCheck>> checks_;
  std::map<std::pair<CheckId, HostId>, absl::Time> inspected_;
  std::map<std::string, absl::Time> proposed_;
  std::map<std::string, std::set<OperatorId>> said_go_;
  std::map<std::string, ReleaseOrder> bodies_;
  std::set<std::string> refused_;
};

}  // namespace

std::unique_ptr<Checker> MakeVoteChecker(World& world) {
  return std::make_unique<Votes>(world);
}

}  // namespace sluice::simulation
