#include "orchestrator/engine/peers.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

constexpr absl::Duration kShutDeadline = absl::Seconds(15);

using ByPeer = std::map<HostId, std::set<GrantId>>;

// A peer whose fence is up and stays: one that is isolated closes everything.
bool IsFenced(const Turn& turn, const HostId& peer) {
  const Host* state = turn.world.FindHost(peer);
  return state != nullptr && state->quarantined() &&
         !state->isolating.has_value();
}

// Whether a release order may have opened the grant on the peer, or may yet.
bool MayBeOpen(Turn& turn, const GrantInfo& info, const HostId& peer) {
  if (!turn.world.run.has_value()) return true;
  const Step& owner = turn.step(info.owner);
  if (In<Isolating>(owner)) return false;  // withdrawn everywhere
  const int grant = turn.plan().FindGrant(info.grant->id);
  const bool lost = owner.lost_grants || owner.closed.contains(grant);
  if (lost && !owner.opened.contains(grant)) return false;
  const Round* round = RoundOf(turn.run(), info.owner);
  return round != nullptr && round->state == Round::State::kReleased &&
         IsInRound(*round, peer);
}

// The peers that a grant has flows with the host on, or forwards them on.
void AddPeers(Turn& turn, const GrantInfo& info, const HostId& host,
              ByPeer* peers) {
  for (const HostFlow& flow : info.grant->flows) {
    if (flow.client != host && flow.server != host) continue;
    std::vector<HostId> others = flow.through;
    others.push_back(flow.client == host ? flow.server : flow.client);
    for (const HostId& other : others) {
      if (other.empty() || other == host || !IsFenced(turn, other)) continue;
      if (info.owner < 0 || !MayBeOpen(turn, info, other)) continue;
      (*peers)[other].insert(info.grant->id);
    }
  }
}

void SendTo(Turn& turn, const PlanIndex& plan, const HostId& host,
            const ByPeer& peers, bool all_grants, const std::string& why) {
  const PlannedHost* planned = plan.plan().FindHost(host);
  if (planned == nullptr || planned->addresses.empty()) return;
  for (const auto& [peer, grants] : peers) {
    Withdraw withdraw{{}, why, planned->addresses};
    if (!all_grants) withdraw.grants = {grants.begin(), grants.end()};
    Pending meta;
    meta.purpose = Purpose::kWithdraw;
    turn.Send(peer, std::move(withdraw), kShutDeadline, std::move(meta));
  }
}

}  // namespace

void ShutAtPeers(Turn& turn, const PlanIndex& plan, const HostId& host,
                 const std::string& why) {
  ByPeer peers;
  for (const int number : plan.StepsTouching(host)) {
    for (const int grant : plan.step(number).grants) {
      AddPeers(turn, plan.grant(grant), host, &peers);
    }
  }
  SendTo(turn, plan, host, peers, true, why);
}

void ShutStepAtPeers(Turn& turn, int number, const HostId& host,
                     const std::string& why) {
  ByPeer peers;
  for (const int grant : turn.plan().step(number).touching) {
    // What opens later opens without a host that is out by then, and with one
    // that is back by then.
    const int owner = turn.plan().grant(grant).owner;
    if (turn.world.run.has_value() && owner >= 0 &&
        !turn.step(owner).opened.contains(grant)) {
      continue;
    }
    AddPeers(turn, turn.plan().grant(grant), host, &peers);
  }
  SendTo(turn, turn.plan(), host, peers, false, why);
}

void ShutGrantAtPeers(Turn& turn, int grant, const HostId& host,
                      const std::string& why) {
  ByPeer peers;
  AddPeers(turn, turn.plan().grant(grant), host, &peers);
  SendTo(turn, turn.plan(), host, peers, false, why);
}

}  // namespace sluice::engine
