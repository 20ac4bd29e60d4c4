// S8: nothing opens by an order of an older epoch, under a release order from
// before an isolation, or by an order that was answered before.

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

class StaleHands : public Checker {
 public:
  using Checker::Checker;
  absl::string_view promise() const override { return "S8"; }

  void WelcomeArrived(const Host& host, uint64_t epoch) override {
    Known& known = Of(host);
    known.epoch = std::max(known.epoch, epoch);
  }

  void AgentStarted(const Host& host) override {
    Known& known = Of(host);
    known.answered.clear();
    // What it knew is gone with the newer state, and it said that it was not
    // written down.
    if (host.rolled_back || host.disk().behind) {
      known.epoch = 0;
      known.obeyed.clear();
    }
    if (host.disk().behind) known.forgot = true;
  }

  void OrderArrived(const Host& host, const agent::Order& order) override {
    Known& known = Of(host);
    known.order = order.id;
    known.order_epoch = order.epoch;
    known.repeated = known.answered.contains(order.id);
    known.opens = std::holds_alternative<agent::OpenFlows>(order.what);
    if (const auto* propose = std::get_if<agent::Propose>(&order.what)) {
      known.proposed[Sha256(propose->body)] = world_.now();
    }
    if (std::holds_alternative<agent::IsolateHost>(order.what)) {
      isolations_.insert({host.id(), order.id});
    }
  }

  void SaidBy(const Host& host, const agent::Message& message) override {
    const auto* report = std::get_if<agent::Report>(&message);
    if (report == nullptr) return;
    Known& known = Of(host);
    known.answered.insert(report->order);
    // Once obeyed, it is answered again and not carried out again, also by the
    // agent's next process.
    if (isolations_.contains({host.id(), report->order}) &&
        report->outcome == agent::Outcome::kDone &&
        known.obeyed.insert(report->order).second) {
      known.isolated = world_.now();
      known.proposed.clear();
      known.forgot = false;
    }
  }

  // A person's word counts for a task that they were asked, once.
  void Asked(const Orchestrator& orchestrator,
             const std::vector<engine::PointTaskView>& tasks) override {
    if (orchestrator.number() != 0) return;
    asked_.clear();
    for (const engine::PointTaskView& task : tasks) {
      asked_[task.id] = task.order;
    }
  }
  void Heard(const Orchestrator& orchestrator,
             const engine::Event& event) override {
    const auto* word = std::get_if<engine::PointReported>(&event);
    if (word == nullptr || orchestrator.number() != 0) return;
    const auto task = asked_.find(word->task);
    if (task == asked_.end() || task->second != word->order) return;
    in_time_.insert({word->task, word->order});
  }
  void LostTail(const Orchestrator&) override { spoken_.clear(); }
  void Recorded(const Orchestrator& orchestrator, const journal::Record&,
                const engine::Event& event) override {
    const auto* word = std::get_if<engine::PointReported>(&event);
    if (word == nullptr || orchestrator.number() != 0) return;
    if (!in_time_.contains({word->task, word->order})) {
      return Violate(absl::StrCat(word->by.str(), " is believed on ",
                                  word->task.str(),
                                  ", which nobody is asked for"));
    }
    if (!spoken_.insert(word->order).second) {
      Violate(absl::StrCat(word->by.str(), " is believed on ", word->task.str(),
                           ", which was answered"));
    }
  }

  void Opened(const Host& host, const std::vector<Opening>& openings) override {
    Known& known = Of(host);
    for (const Opening& opening : openings) {
      if (opening.digest.empty()) continue;
      if (!known.forgot && !known.proposed.contains(opening.digest)) {
        return Violate(absl::StrCat(host.id().str(), " opened flows under ",
                                    ShortDigest(opening.digest),
                                    ", a release order from before its last "
                                    "isolation"));
      }
      if (!known.opens) continue;
      if (known.order_epoch < known.epoch) {
        return Violate(absl::StrCat(
            host.id().str(), " obeyed ", known.order.str(), " of epoch ",
            known.order_epoch, " and knows of ", known.epoch));
      }
      if (known.repeated) {
        return Violate(absl::StrCat(host.id().str(), " opened flows by ",
                                    known.order.str(),
                                    ", which it had answered already"));
      }
    }
  }

 private:
  struct Known {
    uint64_t epoch = 0;
    agent::OrderId order;
    uint64_t order_epoch = 0;
    bool repeated = false;
    bool opens = false;
    bool forgot = false;  // of its last isolations
    absl::Time isolated;
    std::map<std::string, absl::Time> proposed;
    std::set<agent::OrderId> answered;
    std::set<agent::OrderId> obeyed;  // isolations
  };
  Known& Of(const Host& host) { return known_[host.id()]; }

  std::map<TaskId, engine::OrderId> asked_;
  std::set<std::pair<TaskId, engine::OrderId>> in_time_;
  std::set<engine::OrderId> spoken_;
  std::map<HostId, Known> known_;
  std::set<std::pair<HostId, agent::OrderId>> isolations_;
};

}  // namespace

std::unique_ptr<Checker> MakeStaleChecker(World& world) {
  return std::make_unique<StaleHands>(world);
}

}  // namespace sluice::simulation
