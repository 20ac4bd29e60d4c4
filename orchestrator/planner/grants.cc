// Needs, entries and peer ports as flows between hosts.

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/node_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "orchestrator/planner/draft.h"
#include "orchestrator/planner/ends.h"

namespace sluice::planning {
namespace {

bool Before(const HostFlow& a, const HostFlow& b) {
  return std::tie(a.client, a.server, a.flow) <
         std::tie(b.client, b.server, b.flow);
}

bool Same(const HostFlow& a, const HostFlow& b) {
  return !Before(a, b) && !Before(b, a);
}

std::string RangesText(const std::vector<Port::Range>& ranges) {
  std::vector<std::string> words;
  for (const Port::Range& range : ranges) {
    words.push_back(absl::StrCat(range.ports.ToString(), "/",
                                 ProtocolName(range.protocol)));
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  std::string text;
  for (const std::string& word : words) {
    absl::StrAppend(&text, text.empty() ? "" : ",", word);
  }
  return text;
}

class Resolver {
 public:
  explicit Resolver(const Draft& draft) : draft_(draft) {
    result_.opened_by.resize(draft.steps.size());
  }

  absl::StatusOr<Grants> Run() {
    for (size_t i = 0; i < draft_.steps.size(); ++i) {
      step_ = i;
      const DraftStep& step = draft_.steps[i];
      const size_t first = result_.grants.size();
      if (step.external != nullptr) {
        SLUICE_RETURN_IF_ERROR(AddEntry(step));
        continue;
      }
      for (const Need& need : step.system->needs) {
        SLUICE_RETURN_IF_ERROR(need.external.empty()
                                   ? AddNeed(*step.system, need)
                                   : AddExternalNeed(*step.system, need));
      }
      for (const PortId& port : step.system->peers) {
        SLUICE_RETURN_IF_ERROR(AddPeers(*step.system, port));
      }
      SortOwn(first);
    }
    SLUICE_RETURN_IF_ERROR(SortAndMerge());
    return std::move(result_);
  }

 private:
  // Looked up once a system: most systems are an end of many grants.
  absl::StatusOr<const std::vector<End>*> EndsOf(const System& system) {
    const auto [at, is_new] = ends_.try_emplace(&system);
    std::vector<End>& ends = at->second;
    if (!is_new) return &ends;
    for (const HostId& id : system.hosts) {
      const auto host = draft_.hosts.find(id);
      if (host == draft_.hosts.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat(At(*draft_.model, system.place), "system '",
                         system.id.str(), "' is on host '", id.str(),
                         "', which is not declared; add it to "
                         "'hosts'"));
      }
      ends.push_back(EndOf(*host->second));
    }
    return &ends;
  }

  absl::StatusOr<const Port*> FindPort(const System& system, const PortId& id,
                                       const Place& place) const {
    const Port* port = system.FindPort(id);
    if (port != nullptr) return port;
    return absl::InvalidArgumentError(absl::StrCat(
        At(*draft_.model, place), "system '", system.id.str(),
        "' has no port '", id.str(), "'; declare it under its 'ports'"));
  }

  // Flows of every client host to every server host but itself: what a host
  // says to itself never meets a fence.
  absl::Status Connect(const std::vector<End>& clients,
                       const std::vector<End>& servers,
                       const std::vector<Port::Range>& ranges,
                       const Place& place, PlannedGrant& grant) const {
    for (const End& client : clients) {
      bool reaches = false;
      for (const End& server : servers) {
        if (!client.host.empty() && client.host == server.host) {
          reaches = true;
          continue;
        }
        reaches |= AddFlows(client, server, ranges, grant.flows);
      }
      if (!reaches && !servers.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(
            At(*draft_.model, place), "'", grant.id.str(),
            "': ", client.host.empty() ? "the external" : "host '",
            client.host.str(), client.host.empty() ? "" : "'",
            " has no address of a family that the other end has; give both "
            "an IPv4 or both an IPv6 address"));
      }
    }
    return absl::OkStatus();
  }

  void Keep(PlannedGrant grant) {
    result_.opened_by[step_].push_back(grant.id);
    result_.grants.push_back(std::move(grant));
  }

  absl::Status AddNeed(const System& client, const Need& need) {
    const auto at = draft_.systems.find(need.system);
    const System& server = *at->second;  // DraftSteps() found its step
    PlannedGrant grant;
    grant.id = GrantId(absl::StrCat(client.id.str(), ">", server.id.str(), ":",
                                    need.port.str()));
    grant.client_system = client.id;
    grant.server_system = server.id;
    grant.strength = need.strength;
    SLUICE_ASSIGN_OR_RETURN(const Port* port,
                            FindPort(server, need.port, need.place));
    SLUICE_ASSIGN_OR_RETURN(const std::vector<End>* clients, EndsOf(client));
    SLUICE_ASSIGN_OR_RETURN(const std::vector<End>* servers, EndsOf(server));
    SLUICE_RETURN_IF_ERROR(
        Connect(*clients, *servers, port->ranges, need.place, grant));
    Keep(std::move(grant));
    return absl::OkStatus();
  }

  absl::Status AddExternalNeed(const System& client, const Need& need) {
    const auto at = draft_.externals.find(need.external);
    if (at == draft_.externals.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          At(*draft_.model, need.place), "system '", client.id.str(),
          "' needs the external '", need.external.str(),
          "', which is not declared; add it to 'externals'"));
    }
    PlannedGrant grant;
    grant.id = GrantId(absl::StrCat(client.id.str(), ">", need.external.str(),
                                    ":", RangesText(need.ranges)));
    grant.client_system = client.id;
    grant.server_external = need.external;
    grant.strength = need.strength;
    SLUICE_ASSIGN_OR_RETURN(const std::vector<End>* clients, EndsOf(client));
    const std::vector<End> servers = {EndOf(*at->second)};
    SLUICE_RETURN_IF_ERROR(
        Connect(*clients, servers, need.ranges, need.place, grant));
    Keep(std::move(grant));
    return absl::OkStatus();
  }

  absl::Status AddEntry(const DraftStep& entry) {
    PlannedGrant grant;
    grant.id = GrantId(entry.id.str());
    grant.client_external = entry.external->id;
    grant.server_system = entry.system->id;
    const std::vector<End> clients = {EndOf(*entry.external)};
    SLUICE_ASSIGN_OR_RETURN(const std::vector<End>* servers,
                            EndsOf(*entry.system));
    SLUICE_RETURN_IF_ERROR(
        Connect(clients, *servers, entry.port->ranges, entry.place, grant));
    Keep(std::move(grant));
    return absl::OkStatus();
  }

  absl::Status AddPeers(const System& system, const PortId& port_id) {
    PlannedGrant grant;
    grant.id = GrantId(absl::StrCat(system.id.str(), ">", system.id.str(), ":",
                                    port_id.str()));
    grant.client_system = system.id;
    grant.server_system = system.id;
    // Hard: without each other's ports the members cannot become healthy, so
    // these open with the system's other hard needs.
    grant.strength = Strength::kHard;
    SLUICE_ASSIGN_OR_RETURN(const Port* port,
                            FindPort(system, port_id, system.place));
    SLUICE_ASSIGN_OR_RETURN(const std::vector<End>* ends, EndsOf(system));
    SLUICE_RETURN_IF_ERROR(
        Connect(*ends, *ends, port->ranges, system.place, grant));
    Keep(std::move(grant));
    return absl::OkStatus();
  }

  // Grants come step by step, and steps are sorted: as a rule they are sorted
  // already once each step's own are.
  absl::Status SortAndMerge() {
    std::vector<PlannedGrant>& all = result_.grants;
    const auto by_id = [](const PlannedGrant& a, const PlannedGrant& b) {
      return a.id < b.id;
    };
    if (!std::is_sorted(all.begin(), all.end(), by_id)) {
      std::stable_sort(all.begin(), all.end(), by_id);
    }
    size_t kept = 0;
    for (size_t i = 1; i < all.size(); ++i) {
      if (all[kept].id == all[i].id) {
        SLUICE_RETURN_IF_ERROR(Merge(all[i], all[kept]));
      } else if (++kept != i) {
        all[kept] = std::move(all[i]);
      }
    }
    if (!all.empty()) all.resize(kept + 1);
    for (PlannedGrant& grant : all) {
      std::sort(grant.flows.begin(), grant.flows.end(), Before);
      grant.flows.erase(
          std::unique(grant.flows.begin(), grant.flows.end(), Same),
          grant.flows.end());
    }
    return absl::OkStatus();
  }

  void SortOwn(size_t first) {
    std::stable_sort(result_.grants.begin() + first, result_.grants.end(),
                     [](const PlannedGrant& a, const PlannedGrant& b) {
                       return a.id < b.id;
                     });
    std::vector<GrantId>& ids = result_.opened_by[step_];
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  }

  // The same need written twice is one; an external that has a system's name
  // is a trap.
  static absl::Status Merge(const PlannedGrant& from, PlannedGrant& into) {
    if (std::tie(from.client_system, from.client_external, from.server_system,
                 from.server_external) !=
        std::tie(into.client_system, into.client_external, into.server_system,
                 into.server_external)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", into.id.str(),
                       "' may be a system's flow or an external's: a "
                       "system and an external share a name; rename one"));
    }
    into.strength = std::min(into.strength, from.strength);  // hard wins
    into.flows.insert(into.flows.end(), from.flows.begin(), from.flows.end());
    return absl::OkStatus();
  }

  const Draft& draft_;
  // Node-based: pointers into it stay good while it grows.
  absl::node_hash_map<const System*, std::vector<End>> ends_;
  size_t step_ = 0;
  Grants result_;
};

}  // namespace

absl::StatusOr<Grants> ResolveGrants(const Draft& draft) {
  return Resolver(draft).Run();
}

}  // namespace sluice::planning
