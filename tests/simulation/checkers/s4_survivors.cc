// S4: no session from before a host said it is isolated carries a packet again
// (but for what quarantine keeps), and one that a fence refused stays dead.

#include "absl/strings/str_cat.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class Survivors : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S4"; }

  void OrderArrived(const Host& host, const agent::Order& order) override {
    if (std::holds_alternative<agent::IsolateHost>(order.what) &&
        !done_.contains({host.id(), order.id})) {
      isolations_.insert({host.id(), order.id});
    }
  }

  void SaidBy(const Host& host, const agent::Message& message) override {
    if (host.driven()) return;  // its driver says that it cuts no session
    const auto* report = std::get_if<agent::Report>(&message);
    if (report == nullptr || report->outcome != agent::Outcome::kDone) return;
    // A repeated answer is about an isolation that was before.
    if (isolations_.erase({host.id(), report->order}) == 0) return;
    done_.insert({host.id(), report->order});
    isolated_at_[host.id()] = world_.now();
    rolled_back_.erase(host.id());
  }

  // As it was before it was ever isolated: it is closed, and to be enrolled
  // anew, when the orchestrator hears of it. Nothing can be promised before.
  void Rebooted(const Host& host) override {
    if (host.rolled_back) rolled_back_.insert(host.id());
  }

  void Refused(const Session& session, bool from_client) override {
    // A datagram from the client begins anew; everything else is over.
    if (session.flow.protocol == Protocol::kTcp || !from_client) {
      dead_.insert(session.number);
    }
  }

  void Passed(const Session& session, const Tuple&, bool from_client,
              bool syn) override {
    if (syn) return;
    for (const HostId& id : {session.client, session.server}) {
      if (rolled_back_.contains(id)) return;
    }
    const bool whole = session.flow.protocol == Protocol::kTcp || !from_client;
    if (whole && dead_.contains(session.number)) {
      return Violate(absl::StrCat(Text(session),
                                  " was refused and carries packets again"));
    }
    for (const HostId& id : {session.client, session.server}) {
      const auto isolated = isolated_at_.find(id);
      if (isolated == isolated_at_.end()) continue;
      if (isolated->second <= session.opened) continue;
      if (world_.host(id).kernel().Keeps(session.flow)) continue;
      return Violate(
          absl::StrCat(Text(session), " survived the isolation of ", id.str()));
    }
  }

 private:
  static std::string Text(const Session& session) {
    return absl::StrCat("session ", session.number, " along ",
                        session.flow.Line());
  }

  std::set<std::pair<HostId, agent::OrderId>> isolations_;
  std::set<std::pair<HostId, agent::OrderId>> done_;
  std::map<HostId, absl::Time> isolated_at_;
  std::set<HostId> rolled_back_;
  std::set<uint64_t> dead_;
};

}  // namespace

std::unique_ptr<Checker> MakeSurvivorChecker(World& world) {
  return std::make_unique<Survivors>(world);
}

}  // namespace sluice::simulation
