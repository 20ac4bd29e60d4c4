// A captured orchestrator: whoever has it knows every order and decision there
// was, speaks to agents in any epoch, and invents, replays, reorders and
// alters. It holds nobody's key.

#include "common/digest.h"
#include "tests/simulation/faults/draws.h"

namespace sluice::simulation {
namespace {

using Overheard = std::pair<HostId, agent::Order>;

class Captured : public Fault, public Peer {
 public:
  Captured(World& world, std::vector<HostId> hosts, uint64_t seed)
      : world_(world),
        hosts_(std::move(hosts)),
        random_(seed),
        number_(world.AddPeer(this)) {}

  std::string Text() const override {
    return absl::StrCat("a captured orchestrator has ", hosts_.size(),
                        " hosts for ", Seconds(lasts));
  }
  void Begin(World& world) override {
    listens_ = true;
    for (const HostId& host : hosts_) {
      world.network().bent[host] = number_;
      world.network().Break(host, "the link broke");
    }
    Act();
  }
  void End(World& world) override {
    listens_ = false;
    streams_.clear();
    for (const HostId& host : hosts_) {
      const auto bent = world.network().bent.find(host);
      if (bent != world.network().bent.end() && bent->second == number_) {
        world.network().bent.erase(bent);
      }
    }
    world.network().PeerVanished(number_);
  }

  // ── Peer ──────────────────────────────────────────────────────────────────
  bool Listens() const override { return listens_; }
  void Greeted(const HostId& host, uint64_t stream,
               const agent::Message& message) override {
    const uint64_t seen = std::get<agent::Hello>(message).highest_epoch;
    const uint64_t epoch = seen + random_.Below(4);
    streams_[host] = {stream, epoch > 0 ? epoch - random_.Below(2) : 0};
    world_.network().SendDown(
        number_, host, stream,
        agent::LinkWelcomed{streams_[host].epoch, "captured",
                            world_.plan().estate.str()});
  }
  void Said(const HostId&, uint64_t, const agent::Message&) override {}
  void Ended(const HostId& host, uint64_t, const std::string&) override {
    streams_.erase(host);
  }

 private:
  struct Stream {
    uint64_t number = 0;
    uint64_t epoch = 0;
  };

  void Act() {
    if (!listens_) return;
    world_.agenda().After(
        random_.Time(absl::Milliseconds(50), absl::Milliseconds(700)),
        [this] { Act(); });
    const auto& heard = world_.network().overheard();
    if (streams_.empty() || heard.empty()) return;
    auto at = streams_.begin();
    std::advance(at, static_cast<ptrdiff_t>(random_.Below(streams_.size())));
    const auto& [host, stream] = *at;
    agent::Order order = heard[random_.Below(heard.size())].second;
    if (random_.Percent(70)) {  // one that was once for this host
      std::vector<const agent::Order*> own;
      for (const Overheard& one : heard) {
        if (one.first == host) own.push_back(&one.second);
      }
      if (!own.empty()) order = *random_.Pick(own);
    }
    switch (random_.Below(8)) {
      case 0:  // as it was
        break;
      case 1:
      case 2:  // anew
        order.id = Invented();
        order.epoch = stream.epoch;
        break;
      case 3:
        Forge(heard, &order, stream.epoch);
        break;
      case 4:
        Alter(heard, &order, stream.epoch);
        break;
      case 5:
        Rush(heard, &order, stream.epoch);
        break;
      default: {
        std::vector<std::string> digests;
        for (const Overheard& one : heard) {
          const auto* open = std::get_if<agent::OpenFlows>(&one.second.what);
          if (open != nullptr) digests.push_back(open->release_digest);
        }
        world_.network().SendDown(
            number_, host, stream.number,
            agent::RenewalReceived{stream.epoch, digests, 1});
        return;
      }
    }
    world_.Trace("captured", "sends ", host.str(), " ", order.id.str(), ", ",
                 Kind(order));
    world_.network().SendDown(number_, host, stream.number,
                              agent::OrderReceived{order});
  }

  static std::string Kind(const agent::Order& order) {
    static const char* const kKinds[] = {
        "isolate", "withdraw", "freeze", "propose", "open",       "try",
        "check",   "start",    "watch",  "confirm", "unreadable", "read"};
    return kKinds[std::min<size_t>(order.what.index(), 11)];
  }
  agent::OrderId Invented() {
    return agent::OrderId(
        absl::StrCat("captured-", number_, "/", ++invented_, "/0"));
  }

  template <class What>
  bool Find(const std::deque<Overheard>& heard, What* found) {
    std::vector<const What*> all;
    for (const Overheard& one : heard) {
      if (const auto* what = std::get_if<What>(&one.second.what)) {
        all.push_back(what);
      }
    }
    if (all.empty()) return false;
    *found = *random_.Pick(all);
    return true;
  }

  // Opens what was proposed, with decisions nobody made over it.
  void Forge(const std::deque<Overheard>& heard, agent::Order* order,
             uint64_t epoch) {
    agent::Propose propose;
    if (!Find(heard, &propose)) return;
    agent::OpenFlows open;
    open.release_digest = Sha256(propose.body);
    for (const agent::GrantFlows& grant : propose.grants) {
      open.grants.push_back(grant.grant);
    }
    agent::OpenFlows other;
    const bool known = Find(heard, &other);
    for (const Approver& approver : world_.plan().approvers) {
      agent::Decision decision{approver.id, approver.roles, open.release_digest,
                               "toy sha256:00"};
      if (known && !other.decisions.empty()) {
        // A true signature, of somebody, of something else.
        decision.signature = random_.Pick(other.decisions).signature;
      }
      open.decisions.push_back(std::move(decision));
    }
    order->id = Invented();
    order->epoch = epoch;
    order->what = std::move(open);
  }

  // Proposes what people were shown, changed a little.
  void Alter(const std::deque<Overheard>& heard, agent::Order* order,
             uint64_t epoch) {
    agent::Propose propose;
    if (!Find(heard, &propose)) return;
    absl::StatusOr<ReleaseOrder> body = ReleaseOrder::Parse(propose.body);
    if (!body.ok()) return;
    switch (random_.Below(4)) {
      case 0:
        for (ReleaseOrder::Host& host : body->hosts) host.lease_seconds = 3600;
        break;
      case 1:
        for (ReleaseOrder::Host& host : body->hosts) host.soak_seconds = 0;
        break;
      case 2:
        body->quorum = {{world_.plan().approvers[0].roles[0], 1}};
        break;
      default:
        body->valid_seconds = 7 * 24 * 3600;
    }
    propose.body = body->Body();
    order->id = Invented();
    order->epoch = epoch;
    order->what = std::move(propose);
  }

  // Opens or confirms before its time.
  void Rush(const std::deque<Overheard>& heard, agent::Order* order,
            uint64_t epoch) {
    agent::OpenFlows open;
    if (!Find(heard, &open)) return;
    order->id = Invented();
    order->epoch = epoch;
    if (random_.Percent(50)) {
      order->what = agent::Confirm{open.release_digest, open.grants,
                                   StepId("of-nothing")};
    } else {
      order->what = std::move(open);
    }
  }

  World& world_;
  const std::vector<HostId> hosts_;
  Random random_;
  const int number_;
  bool listens_ = false;
  std::map<HostId, Stream> streams_;
  uint64_t invented_ = 0;
};

}  // namespace

std::unique_ptr<Fault> DrawCaptured(World& world, Random& random) {
  std::vector<HostId> hosts;
  for (const PlannedHost& host : world.plan().hosts) {
    if (random.Percent(60)) hosts.push_back(host.id);
  }
  auto fault =
      std::make_unique<Captured>(world, std::move(hosts), random.Next());
  fault->lasts = absl::Seconds(random.Between(5, 60));
  return fault;
}

}  // namespace sluice::simulation
