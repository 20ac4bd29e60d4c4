// S10: an order to open leaves only when different people, who truly said go
// to exactly this body, fill the quorum, and nobody said no to it.

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

  void Recorded(const Orchestrator& orchestrator, const journal::Record&,
                const engine::Event& event) override {
    if (orchestrator.number() != 0) return;
    const auto* decision = std::get_if<engine::DecisionMade>(&event);
    if (decision != nullptr && !decision->go) {
      refused_.insert(decision->body_digest);
    }
  }

  void OrderLeft(const Orchestrator& orchestrator, uint64_t,
                 const engine::Order& order) override {
    if (const auto* propose = std::get_if<engine::Propose>(&order.what)) {
      const auto body = ReleaseOrder::Parse(propose->body);
      if (body.ok()) bodies_.emplace(Sha256(propose->body), *body);
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
    if (orchestrator.number() == 0 && refused_.contains(digest)) {
      Violate(absl::StrCat(order.id.str(), " opens under ", ShortDigest(digest),
                           ", to which somebody said no"));
    }
  }

 private:
  std::map<std::string, std::set<OperatorId>> said_go_;
  std::map<std::string, ReleaseOrder> bodies_;
  std::set<std::string> refused_;
};

}  // namespace

std::unique_ptr<Checker> MakeVoteChecker(World& world) {
  return std::make_unique<Votes>(world);
}

}  // namespace sluice::simulation
