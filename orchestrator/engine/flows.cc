// Which hosts open what of a step, and what its clients can try.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/connect.h"
#include "orchestrator/engine/gate.h"
#include "orchestrator/engine/names.h"
#include "orchestrator/engine/peers.h"
#include "orchestrator/engine/turn.h"

namespace sluice::engine {
namespace {

// Only where an agent runs can a flow be tried from.
bool CanTry(Turn& turn, const HostId& client, const Flow& flow) {
  const PlannedHost* host = turn.plan().plan().FindHost(client);
  return flow.protocol == Protocol::kTcp && flow.server.is_host() &&
         flow.ports.first == flow.ports.last &&
         (host == nullptr || host->grade == Grade::kKernel);
}

bool TakesPart(const Step& step, const HostId& host) {
  const auto part = step.parts.find(host);
  return part != step.parts.end() && part->second.in;
}

// Of what a grant reaches, only hosts that are well are worth opening: one
// that its system goes on without stays closed.
bool ServesIn(Turn& turn, int number, const GrantInfo& grant,
              const HostId& server) {
  const Round* round = RoundOf(turn.run(), number);
  if (round == nullptr || !IsInRound(*round, server)) return false;
  for (const int step : {number, grant.target}) {
    if (step < 0) continue;
    const auto& parts = turn.step(step).parts;
    const auto part = parts.find(server);
    if (part != parts.end() && !part->second.in) return false;
  }
  return true;
}

}  // namespace

bool ServerOpened(Turn& turn, int number, int grant, const HostId& server) {
  return server.empty() ||
         (ServesIn(turn, number, turn.plan().grant(grant), server) &&
          !turn.step(number).shut_servers.contains(server));
}

void AddNote(Step* step, const std::string& note) {
  if (std::find(step->notes.begin(), step->notes.end(), note) ==
      step->notes.end()) {
    step->notes.push_back(note);
  }
}

std::map<HostId, std::vector<GrantId>> ServersOf(
    Turn& turn, int number, const std::vector<int>& grants) {
  std::map<HostId, std::vector<GrantId>> by_host;
  for (const int grant : grants) {
    const GrantInfo& info = turn.plan().grant(grant);
    for (const HostId& host : info.servers) {
      if (!ServesIn(turn, number, info, host)) continue;
      by_host[host].push_back(info.grant->id);
    }
  }
  return by_host;
}

std::map<HostId, std::vector<GrantId>> ClientsOf(
    Turn& turn, int number, const std::vector<int>& grants) {
  std::map<HostId, std::vector<GrantId>> by_host;
  const Round* round = RoundOf(turn.run(), number);
  const Step& step = turn.step(number);
  for (const int grant : grants) {
    const GrantInfo& info = turn.plan().grant(grant);
    for (const HostId& host : info.clients) {
      // Both ends of a grant among a system's own hosts opened together.
      if (std::binary_search(info.servers.begin(), info.servers.end(), host)) {
        continue;
      }
      if (round == nullptr || !IsInRound(*round, host)) continue;
      if (TakesPart(step, host)) by_host[host].push_back(info.grant->id);
    }
  }
  return by_host;
}

void ShutMissingServers(Turn& turn, int number,
                        const std::vector<int>& grants) {
  const Round* round = RoundOf(turn.run(), number);
  for (const int grant : grants) {
    const GrantInfo& info = turn.plan().grant(grant);
    for (const HostId& host : info.servers) {
      // S9: it serves others, and gave no evidence to this round.
      if (round != nullptr && IsInRound(*round, host)) continue;
      AddNote(&turn.step(number),
              absl::StrCat("partial: ", info.grant->id.str(),
                           " does not open on ", host.str()));
    }
    if (info.target < 0) continue;
    for (const auto& [host, part] : turn.step(info.target).parts) {
      if (part.in || round == nullptr || !IsInRound(*round, host)) continue;
      ShutGrantAtPeers(turn, grant, host, part.why);
    }
  }
}

std::string ShutServersText(Turn& turn, int number) {
  for (const int grant : turn.plan().step(number).grants) {
    const GrantInfo& info = turn.plan().grant(grant);
    if (!info.hard || info.target < 0 || info.servers.empty()) continue;
    std::vector<std::string> shut;
    for (const HostId& host : info.servers) {
      if (!ServerOpened(turn, number, grant, host)) shut.push_back(host.str());
    }
    // As many of its servers may be missing as it can do without itself.
    const PlannedStep& target = turn.plan().planned(info.target);
    if (shut.size() + target.enough <= target.hosts.size()) continue;
    return absl::StrCat("the flows of ", info.grant->id.str(),
                        " do not open on ", NameList(shut));
  }
  return "";
}

std::vector<Flow> TryableFlows(Turn& turn, int number, const HostId& client,
                               const std::vector<int>& grants,
                               std::vector<std::string>* notes) {
  std::set<Flow> flows;
  for (const int grant : grants) {
    const GrantInfo& info = turn.plan().grant(grant);
    bool untried = false;
    for (const HostFlow& flow : info.grant->flows) {
      if (flow.client != client ||
          !ServerOpened(turn, number, grant, flow.server)) {
        continue;
      }
      if (CanTry(turn, client, flow.flow)) {
        flows.insert(flow.flow);
      } else {
        untried = true;
      }
    }
    if (untried) {
      // S9: what cannot be tried is never shown as passed.
      notes->push_back(
          absl::StrCat("untried (udp, a range, or from a point without an "
                       "agent): ",
                       info.grant->id.str()));
    }
  }
  return {flows.begin(), flows.end()};
}

std::string TriedInVain(Turn& turn, int number, const HostId& client, int grant,
                        const std::vector<FlowsTried::Try>& tries,
                        std::vector<std::string>* notes) {
  const GrantInfo& info = turn.plan().grant(grant);
  std::map<HostId, std::string> bad;  // server → why
  std::set<HostId> shut;
  for (const HostFlow& flow : info.grant->flows) {
    if (flow.client != client) continue;
    if (!ServerOpened(turn, number, grant, flow.server)) {
      shut.insert(flow.server);
      continue;
    }
    if (!CanTry(turn, client, flow.flow)) continue;
    std::string why = absl::StrCat(flow.flow.Line(), " was not tried");
    for (const FlowsTried::Try& tried : tries) {
      if (tried.flow != flow.flow) continue;
      why = tried.verdict == Verdict::kPass
                ? std::string()
                : absl::StrCat(flow.flow.Line(), " does not pass",
                               Because(tried.reason));
    }
    if (!why.empty()) bad.emplace(flow.server, why);
  }
  if (bad.empty()) return "";
  const std::string text =
      absl::StrCat(info.grant->id.str(), ": ", bad.begin()->second);
  if (info.target < 0) return text;
  // As many of its servers may be missing as it can do without itself.
  const PlannedStep& target = turn.plan().planned(info.target);
  if (bad.size() + shut.size() + target.enough > target.hosts.size()) {
    return text;
  }
  notes->push_back(absl::StrCat("partial: ", text));
  return "";
}

}  // namespace sluice::engine
