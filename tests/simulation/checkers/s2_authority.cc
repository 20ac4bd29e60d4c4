// S2: whatever is open in a kernel is covered by a release order that names
// the host and the flow, and to which enough people truly said go; and what is
// leased was named by an order to open it.

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "orchestrator/planner/opening.h"
#include "tests/simulation/checkers/quorum.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class Authority : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S2"; }

  void Signed(const engine::DecisionMade& decision) override {
    if (decision.go) said_go_[decision.body_digest].insert(decision.by);
  }

  void OrderArrived(const Host& host, const agent::Order& order) override {
    if (const auto* open = std::get_if<agent::OpenFlows>(&order.what)) {
      named_[{host.id(), open->release_digest}].insert(open->grants.begin(),
                                                       open->grants.end());
    }
    const auto* propose = std::get_if<agent::Propose>(&order.what);
    if (propose == nullptr) return;
    const absl::StatusOr<ReleaseOrder> body =
        ReleaseOrder::Parse(propose->body);
    if (!body.ok()) return;
    const ReleaseOrder::Host* line = body->Find(host.id());
    if (line == nullptr) return;
    std::vector<Flow> flows;
    std::map<Flow, std::set<GrantId>> of;
    for (const agent::GrantFlows& grant : propose->grants) {
      flows.insert(flows.end(), grant.flows.begin(), grant.flows.end());
      for (const Flow& flow : grant.flows) of[flow].insert(grant.grant);
    }
    // Flows that are not those of the body are nobody's promise.
    if (FlowsDigest(flows) != line->flows_digest) return;
    const std::string digest = Sha256(propose->body);
    flows_[{host.id(), digest}] = std::move(of);
    bodies_.emplace(digest, *body);
  }

  void Shown(const Orchestrator& orchestrator, const std::string& digest,
             const std::string& body) override {
    const absl::StatusOr<ReleaseOrder> read = ReleaseOrder::Parse(body);
    if (orchestrator.number() != 0 || !read.ok()) return;
    if (Sha256(body) == digest) shown_.emplace(digest, *read);
  }

  // People are asked to open only what a release order names for the point, to
  // which enough people said go. What they do is their own.
  void Asked(const Orchestrator& orchestrator,
             const std::vector<engine::PointTaskView>& tasks) override {
    if (orchestrator.number() != 0) return;
    for (const engine::PointTaskView& task : tasks) {
      if (task.verb != "open" || !asked_.insert(task.id).second) continue;
      const auto body = shown_.find(task.release);
      if (body != shown_.end() &&
          QuorumMet(body->second, said_go_[task.release], world_.plan()) &&
          Names(body->second, task)) {
        continue;
      }
      return Violate(absl::StrCat(
          task.id.str(), " asks to open ", task.flows.size(), " flows under ",
          ShortDigest(task.release),
          body == shown_.end() ? ", which nobody was shown"
                               : ", which does not name them all, or to which "
                                 "not enough people said go"));
    }
  }

  void Opened(const Host& host, const std::vector<Opening>& openings) override {
    for (const Opening& opening : openings) {
      // What stood before its file was damaged stands.
      if (host.suspended() && !opening.digest.empty()) {
        return Violate(absl::StrCat(host.id().str(), " opened ",
                                    opening.flow.Line(),
                                    ", and its agent.yaml cannot be read"));
      }
      bool covered = false;
      if (!opening.digest.empty()) {
        covered = Covers(host, opening.digest, opening.flow);
      } else {
        for (const auto& [digest, body] : bodies_) {
          covered = covered || Covers(host, digest, opening.flow);
        }
      }
      if (covered && !opening.digest.empty() && !IsNamed(host, opening)) {
        return Violate(absl::StrCat(host.id().str(), " opened ",
                                    opening.flow.Line(),
                                    ", and no order to open names its grant"));
      }
      if (covered) continue;
      Violate(absl::StrCat(host.id().str(), " opened ", opening.flow.Line(),
                           " under ",
                           opening.digest.empty() ? "no release order"
                                                  : ShortDigest(opening.digest),
                           ", to which not enough people said go"));
      return;
    }
  }

 private:
  bool Covers(const Host& host, const std::string& digest, const Flow& flow) {
    const auto flows = flows_.find({host.id(), digest});
    if (flows == flows_.end() || !flows->second.contains(flow)) return false;
    return QuorumMet(bodies_.at(digest), said_go_[digest], world_.plan());
  }

  // By any plan there was, the flows of the order's own digest are these and
  // perhaps more.
  bool Names(const ReleaseOrder& body, const engine::PointTaskView& task) {
    const ReleaseOrder::Host* line = body.Find(task.host);
    if (line == nullptr) return false;
    std::set<HostId> part;
    for (const ReleaseOrder::Host& one : body.hosts) part.insert(one.id);
    for (const std::shared_ptr<const Plan>& plan : world_.all_plans()) {
      std::vector<Flow> all;
      for (const auto& [grant, flows] :
           FlowsAmong(*plan, body.steps, part, task.host)) {
        all.insert(all.end(), flows.begin(), flows.end());
      }
      if (FlowsDigest(all) != line->flows_digest) continue;
      return std::all_of(task.flows.begin(), task.flows.end(),
                         [&](const engine::PointFlow& flow) {
                           return std::find(all.begin(), all.end(),
                                            flow.flow) != all.end();
                         });
    }
    return false;
  }

  bool IsNamed(const Host& host, const Opening& opening) {
    const std::pair key(host.id(), opening.digest);
    const std::set<GrantId>& named = named_[key];
    const std::set<GrantId>& wanted = flows_.at(key).at(opening.flow);
    return std::any_of(wanted.begin(), wanted.end(), [&](const auto& grant) {
      return named.contains(grant);
    });
  }

  std::map<std::string, std::set<OperatorId>> said_go_;
  std::map<std::string, ReleaseOrder> bodies_;
  std::map<std::string, ReleaseOrder> shown_;  // to people who work points
  std::set<TaskId> asked_;
  // By host and release order: each flow's grants; what orders to open named.
  std::map<std::pair<HostId, std::string>, std::map<Flow, std::set<GrantId>>>
      flows_;
  std::map<std::pair<HostId, std::string>, std::set<GrantId>> named_;
};

}  // namespace

std::unique_ptr<Checker> MakeAuthorityChecker(World& world) {
  return std::make_unique<Authority>(world);
}

}  // namespace sluice::simulation
