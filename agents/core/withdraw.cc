// Withdrawing grants: which flows close, and which another grant still wants.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/core/admission.h"
#include "agents/core/agent_core.h"

namespace sluice::agent {
namespace {

bool IsWith(const Flow& flow, const std::vector<Prefix>& peers) {
  return std::any_of(peers.begin(), peers.end(), [&](const Prefix& peer) {
    return peer.Contains(flow.client) || peer.Contains(flow.server);
  });
}

// Takes the flows with these peers out of a grant's: under this release order
// nothing knows them any more, so no replay of it opens them.
std::vector<Flow> TakeFlowsWith(const std::vector<Prefix>& peers,
                                std::vector<Flow>* all) {
  std::vector<Flow>& flows = *all;
  const auto with = std::stable_partition(
      flows.begin(), flows.end(),
      [&](const Flow& flow) { return !IsWith(flow, peers); });
  std::vector<Flow> taken(with, flows.end());
  flows.erase(with, flows.end());
  return taken;
}

}  // namespace

void AgentCore::Carry(const Order& order, const Withdraw& what) {
  if (state_.mode == Mode::kOpen) {
    Refuse(order.id,
           "this host has no fence, so nothing was closed here; isolate it");
    return;
  }
  const std::set<GrantId> names(what.grants.begin(), what.grants.end());
  const bool by_peer = !what.peers.empty();
  const bool of_all = by_peer && names.empty();
  if (of_all) ShutPeers(what.peers);
  std::vector<Flow> was_standing;
  std::map<std::string, std::vector<Flow>> was_leased;
  for (auto& [digest, release] : state_.releases) {
    for (auto& [name, grant] : release.grants) {
      if (!of_all && !names.contains(name)) continue;
      const std::vector<Flow> flows =
          by_peer ? TakeFlowsWith(what.peers, &grant.flows) : grant.flows;
      std::vector<Flow>* was =
          grant.state == Grant::State::kStanding ? &was_standing
          : grant.state == Grant::State::kOpen   ? &was_leased[digest]
                                                 : nullptr;
      if (was != nullptr) was->insert(was->end(), flows.begin(), flows.end());
      if (!by_peer) grant.state = Grant::State::kWithdrawn;
    }
  }
  if (of_all) {
    for (BrokenGlass& glass : state_.glass) {
      const std::vector<Flow> flows = TakeFlowsWith(what.peers, &glass.flows);
      if (!glass.in_force) continue;
      was_standing.insert(was_standing.end(), flows.begin(), flows.end());
    }
  }
  SortOnce(was_standing);
  for (auto& [digest, flows] : was_leased) SortOnce(flows);
  Job job;
  job.kind = Job::Kind::kWithdraw;
  job.report.order = order.id;
  job.save_first = true;  // a crash after this starts without these flows
  job.save_last = true;
  job.keep_answer = true;
  PlanWithdrawal(was_standing, was_leased, job);
  Say(absl::StrCat("withdrawing ", of_all ? "everything" : "grants",
                   by_peer ? " to " : "",
                   by_peer ? what.peers[0].ToString() : std::string(), " (",
                   names.size(), " grants, ", what.peers.size(),
                   " addresses): ", OneLine(what.reason, 200)));
  Begin(std::move(job));
}

// A proposal made on evidence from before this opens nothing to these peers,
// though it reaches this host only after.
void AgentCore::ShutPeers(const std::vector<Prefix>& peers) {
  for (const Prefix& peer : peers) state_.shut_peers[peer] = now_;
  if (state_.shut_peers.size() <= AgentState::kMaxShutPeers) return;
  // Too many to remember: no evidence from before now opens anything.
  state_.evidence.clear();
  state_.shut_peers.clear();
}

// A flow that another live grant wants stays, in that grant's own class: what
// nobody confirmed must not be left standing.
void AgentCore::PlanWithdrawal(
    const std::vector<Flow>& was_standing,
    const std::map<std::string, std::vector<Flow>>& was_leased,
    Job& job) const {
  const std::vector<Flow> standing = StandingFlows(state_);
  std::map<std::string, std::vector<Flow>> leased;
  for (const auto& [digest, release] : state_.releases) {
    leased[digest] = FlowsIn(release, Grant::State::kOpen);
  }
  const auto stands = [&](const Flow& flow) {
    return std::binary_search(standing.begin(), standing.end(), flow);
  };
  const auto is_leased = [&](const std::string& digest, const Flow& flow) {
    const std::vector<Flow>& flows = leased[digest];
    return std::binary_search(flows.begin(), flows.end(), flow);
  };
  std::set<Flow> everywhere;  // out of everything
  std::map<std::string, std::vector<Flow>> from, again;
  for (const Flow& flow : was_standing) {
    if (!stands(flow)) everywhere.insert(flow);
  }
  for (const auto& [digest, flows] : was_leased) {
    for (const Flow& flow : flows) {
      if (is_leased(digest, flow)) continue;
      bool wanted = stands(flow);
      for (const auto& [other, release] : state_.releases) {
        wanted = wanted || is_leased(other, flow);
      }
      if (wanted) {
        from[digest].push_back(flow);
      } else {
        everywhere.insert(flow);
      }
    }
  }
  for (const Flow& flow : everywhere) {
    bool reopened = false;
    for (const auto& [digest, release] : state_.releases) {
      if (!is_leased(digest, flow) || now_ >= release.guard_until) continue;
      again[digest].push_back(flow);
      reopened = true;
    }
    if (!reopened) job.gone.push_back(flow);
  }
  if (!everywhere.empty()) {
    job.calls.push_back(
        fence::Remove{"", {everywhere.begin(), everywhere.end()}});
  }
  for (auto& [digest, flows] : from) {
    job.calls.push_back(fence::Remove{digest, std::move(flows)});
  }
  for (auto& [digest, flows] : again) {
    const KnownRelease& release = state_.releases.at(digest);
    job.calls.push_back(
        fence::Open{digest, release.guard_until - now_, std::move(flows)});
  }
  if (job.calls.empty()) job.calls.push_back(fence::Read{});
}

}  // namespace sluice::agent
