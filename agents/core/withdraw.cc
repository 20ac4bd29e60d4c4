// Withdrawing grants: which flows close, and which another grant still wants.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/core/admission.h"
#include "agents/core/agent_core.h"

namespace sluice::agent {

void AgentCore::Carry(const Order& order, const Withdraw& what) {
  if (state_.mode == Mode::kOpen) {
    Refuse(order.id,
           "this host has no fence, so nothing was closed here; isolate it");
    return;
  }
  const std::set<GrantId> names(what.grants.begin(), what.grants.end());
  std::vector<Flow> was_standing;
  std::map<std::string, std::vector<Flow>> was_leased;
  for (auto& [digest, release] : state_.releases) {
    std::vector<GrantId> standing;
    std::vector<GrantId> leased;
    for (auto& [name, grant] : release.grants) {
      if (!names.contains(name)) continue;
      if (grant.state == Grant::State::kStanding) standing.push_back(name);
      if (grant.state == Grant::State::kOpen) leased.push_back(name);
      grant.state = Grant::State::kWithdrawn;
    }
    const std::vector<Flow> flows = FlowsOf(release, standing);
    was_standing.insert(was_standing.end(), flows.begin(), flows.end());
    if (!leased.empty()) was_leased[digest] = FlowsOf(release, leased);
  }
  Job job;
  job.kind = Job::Kind::kWithdraw;
  job.report.order = order.id;
  job.save_first = true;  // a crash after this starts without these flows
  job.save_last = true;
  job.keep_answer = true;
  PlanWithdrawal(was_standing, was_leased, job);
  Say(absl::StrCat("withdrawing ", what.grants.size(),
                   " grants: ", OneLine(what.reason, 200)));
  Begin(std::move(job));
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
