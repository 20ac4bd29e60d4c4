// Once everything is read: names that have to exist, addresses that have to
// differ, needs that have to be possible.

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/manifest/reader.h"
#include "orchestrator/model/graph.h"

namespace sluice::manifest {
namespace {

template <class T>
std::vector<std::string> Ids(const std::vector<T>& values) {
  std::vector<std::string> ids;
  ids.reserve(values.size());
  for (const T& value : values) ids.push_back(value.id.str());
  return ids;
}

template <class T>
void SortById(std::vector<T>& values) {
  std::sort(values.begin(), values.end(),
            [](const T& a, const T& b) { return a.id < b.id; });
}

void SortModel(Model& model) {
  SortById(model.approvers);
  SortById(model.hosts);
  SortById(model.externals);
  SortById(model.systems);
}

std::vector<std::string> Roles(const Model& model) {
  std::vector<std::string> roles;
  for (const Approver& approver : model.approvers) {
    for (const RoleId& role : approver.roles) roles.push_back(role.str());
  }
  std::sort(roles.begin(), roles.end());
  roles.erase(std::unique(roles.begin(), roles.end()), roles.end());
  return roles;
}

// Which address families there are, as bits.
int Families(const std::vector<Prefix>& addresses) {
  int families = 0;
  for (const Prefix& address : addresses) {
    families |= address.family() == Family::kIpv4 ? 1 : 2;
  }
  return families;
}

absl::string_view FamilyText(int families) {
  return families == 1 ? "IPv4" : families == 2 ? "IPv6" : "IPv4 and IPv6";
}

// A flow has both ends in one family: two hosts without a common one can never
// talk, whatever opens. True (and says so) when that is the case.
class FamilyCheck {
 public:
  FamilyCheck(const Model& model, Problems& problems) : problems_(problems) {
    for (const Host& host : model.hosts) {
      hosts_[host.id.str()] = Families(host.addresses);
    }
  }

  void Systems(const System& client, const Need& need, const System& server) {
    // One host of each kind of families is enough to compare.
    const auto clients = Kinds(client);
    const auto servers = Kinds(server);
    for (const auto& [from, client_host] : clients) {
      for (const auto& [to, server_host] : servers) {
        if ((from & to) != 0 || client_host == server_host) continue;
        Say(need.place,
            absl::StrCat("system '", client.id.str(), "' needs '",
                         server.id.str(), ":", need.port.str(), "'"),
            absl::StrCat("host '", client_host, "'"), from,
            absl::StrCat("host '", server_host, "'"), to);
      }
    }
  }

  void WithExternal(Place place, std::string what, const System& system,
                    const External& external) {
    const int outside = Families(external.addresses);
    if (outside == 0) return;
    for (const auto& [inside, host] : Kinds(system)) {
      if ((inside & outside) != 0) continue;
      Say(place, what, absl::StrCat("host '", host, "'"), inside,
          absl::StrCat("external '", external.id.str(), "'"), outside);
    }
  }

 private:
  std::map<int, std::string> Kinds(const System& system) const {
    std::map<int, std::string> kinds;
    for (const HostId& host : system.hosts) {
      const auto at = hosts_.find(host.str());
      if (at != hosts_.end() && at->second != 0) {
        kinds.emplace(at->second, host.str());
      }
    }
    return kinds;
  }

  void Say(Place place, absl::string_view what, absl::string_view from,
           int from_families, absl::string_view to, int to_families) {
    problems_.Error(place, absl::StrCat(what, ", but ", from, " has only ",
                                        FamilyText(from_families), " and ", to,
                                        " only ", FamilyText(to_families),
                                        "; give one of them an address of the "
                                        "other's family"));
  }

  Problems& problems_;
  absl::flat_hash_map<std::string, int> hosts_;
};

void CheckNeed(const Model& model, const std::vector<std::string>& system_ids,
               const System& system, const Need& need, FamilyCheck& families,
               Problems& problems) {
  if (!need.external.empty()) {
    if (const External* external = model.FindExternal(need.external)) {
      families.WithExternal(
          need.place,
          absl::StrCat("system '", system.id.str(), "' needs external '",
                       need.external.str(), "'"),
          system, *external);
    }
    return;
  }
  const std::string head =
      absl::StrCat("system '", system.id.str(), "' needs '", need.system.str(),
                   ":", need.port.str(), "'");
  const System* server = model.FindSystem(need.system);
  if (server == nullptr) {
    std::string hint;
    if (model.FindExternal(ExternalId(need.system.str())) != nullptr) {
      hint =
          absl::StrCat("; '", need.system.str(),
                       "' is an external: write {external: ", need.system.str(),
                       ", port: …/tcp}");
    } else if (!problems.full()) {
      hint = DidYouMean(need.system.str(), system_ids);
    }
    problems.Error(need.place, absl::StrCat(head, ", but there is no system '",
                                            need.system.str(), "'", hint));
    return;
  }
  if (server->FindPort(need.port) == nullptr) {
    const std::vector<std::string> ports = Ids(server->ports);
    problems.Error(
        need.place,
        absl::StrCat(head, ", which has no such port",
                     ports.empty()
                         ? absl::StrCat("; declare it under ports: of '",
                                        server->id.str(), "'")
                         : DidYouMean(need.port.str(), ports)));
    return;
  }
  families.Systems(system, need, *server);
}

void CheckServices(const Model& model, const System& system,
                   FamilyCheck& families, Problems& problems) {
  for (const Service& service : system.serves) {
    const std::string head = absl::StrCat(
        "system '", system.id.str(), "' serves '", service.external.str(), "'");
    if (const External* external = model.FindExternal(service.external)) {
      families.WithExternal(service.place, head, system, *external);
    }
    for (const ExternalId& before : service.after) {
      const bool served = std::any_of(
          system.serves.begin(), system.serves.end(),
          [&](const Service& other) { return other.external == before; });
      if (before == service.external) {
        problems.Error(service.place,
                       absl::StrCat(head,
                                    " after itself, which never comes; "
                                    "name another external, or remove after:"));
      } else if (!served && model.FindExternal(before) != nullptr) {
        problems.Error(service.place,
                       absl::StrCat(head, " after '", before.str(),
                                    "', which it does not serve; add a line "
                                    "for '",
                                    before.str(),
                                    "', or remove "
                                    "after:"));
      }
    }
  }
  // Each external comes after others: a circle of them never begins.
  absl::flat_hash_map<std::string, int> state;  // 1: on the way, 2: done
  const std::function<bool(const ExternalId&)> circles =
      [&](const ExternalId& external) {
        int& mine = state[external.str()];
        if (mine != 0) return mine == 1;
        mine = 1;
        for (const Service& service : system.serves) {
          if (service.external != external) continue;
          for (const ExternalId& before : service.after) {
            if (before != external && circles(before)) return true;
          }
        }
        state[external.str()] = 2;
        return false;
      };
  for (const Service& service : system.serves) {
    if (!circles(service.external)) continue;
    problems.Error(service.place,
                   absl::StrCat("system '", system.id.str(), "' serves '",
                                service.external.str(),
                                "' after externals "
                                "that wait for it in turn; remove one of the "
                                "after: lines"));
    return;
  }
}

void CheckCycle(const Model& model, Problems& problems) {
  const DependencyGraph graph(model);
  const std::vector<DependencyGraph::Edge> cycle = graph.ShortestCycle();
  if (cycle.empty()) return;
  const Place place = model.systems[cycle[0].system].needs[cycle[0].need].place;
  std::vector<std::string> parts;
  constexpr size_t kShown = 20;
  for (size_t i = 0; i < cycle.size() && i < kShown; ++i) {
    const System& system = model.systems[cycle[i].system];
    const Need& need = system.needs[cycle[i].need];
    parts.push_back(absl::StrCat("'", system.id.str(), "' needs '",
                                 need.system.str(), ":", need.port.str(), "' (",
                                 LineText(model, place, need.place), ")"));
  }
  if (cycle.size() > kShown) {
    parts.push_back(absl::StrCat("and ", cycle.size() - kShown, " more"));
  }
  problems.Error(place,
                 absl::StrCat("these systems wait for each other in a circle, "
                              "so none could come first: ",
                              absl::StrJoin(parts, ", "),
                              "; make one need soft, or list them under joint: "
                              "to bring them back together"));
}

}  // namespace

void CheckReferences(Draft& draft, Problems& problems) {
  Model& model = draft.model;
  SortModel(model);
  const std::vector<std::string> hosts = Ids(model.hosts);
  const std::vector<std::string> externals = Ids(model.externals);
  const std::vector<std::string> systems = Ids(model.systems);
  const std::vector<std::string> roles = Roles(model);
  for (const Reference& reference : draft.references) {
    bool found = false;
    const std::vector<std::string>* known = &hosts;
    absl::string_view kind;
    switch (reference.kind) {
      case Reference::Kind::kHost:
        known = &hosts;
        kind = "host";
        break;
      case Reference::Kind::kExternal:
        known = &externals;
        kind = "external";
        break;
      case Reference::Kind::kSystem:
        known = &systems;
        kind = "system";
        break;
      case Reference::Kind::kRole:
        known = &roles;
        kind = "role";
        break;
    }
    found = std::binary_search(known->begin(), known->end(), reference.name);
    if (found) continue;
    const std::string hint =
        problems.full() ? "" : DidYouMean(reference.name, *known);
    problems.Error(
        reference.place,
        absl::StrCat(
            reference.who, " ", kind, " '", reference.name, "', ",
            kind == "role" ? "which no approver has" : "which does not exist",
            hint,
            hint.empty() && kind == "role"
                ? "; give the role to somebody under approvers:"
            : hint.empty() ? absl::StrCat("; declare it under ", kind, "s:")
                           : ""));
  }
  draft.references.clear();
}

// Whoever acts for another has to run an agent.
void CheckActing(const Draft& draft, Problems& problems) {
  for (const Host& host : draft.model.hosts) {
    if (host.grade != Grade::kDriven) continue;
    const Host* acting = draft.model.FindHost(host.acting);
    if (acting == nullptr || acting->grade == Grade::kKernel) continue;
    problems.Error(
        host.place,
        absl::StrCat("host '", host.id.str(), "' is driven through '",
                     host.acting.str(), "', which runs no agent itself",
                     acting == &host ? "" : " either",
                     "; name a host with enforcement: kernel"));
  }
}

void CheckAddresses(const Draft& draft, Problems& problems) {
  const Model& model = draft.model;
  struct Owner {
    const Host* host;
    bool shared;
  };
  std::map<Prefix, Owner> owners;
  for (const Host& host : model.hosts) {
    for (const Prefix& address : host.addresses) {
      const bool shared =
          std::binary_search(host.shared.begin(), host.shared.end(), address);
      const auto [first, fresh] = owners.emplace(address, Owner{&host, shared});
      if (fresh || (shared && first->second.shared)) continue;
      // Point at the later of the two, as a reader goes through the file.
      const Host* one = first->second.host;
      const Host* other = &host;
      if (other->place < one->place) std::swap(one, other);
      problems.Error(
          other->place,
          absl::StrCat("host '", other->id.str(), "' has the address ",
                       address.ToString(), ", and so has '", one->id.str(),
                       "' (", LineText(model, other->place, one->place),
                       "); correct one, or name it under shared-address: of "
                       "both"));
    }
  }
}

void CheckNeeds(const Draft& draft, Problems& problems) {
  const Model& model = draft.model;
  const std::vector<std::string> ids = Ids(model.systems);
  FamilyCheck families(model, problems);
  for (const System& system : model.systems) {
    for (const Need& need : system.needs) {
      CheckNeed(model, ids, system, need, families, problems);
    }
    CheckServices(model, system, families, problems);
  }
  CheckCycle(model, problems);
}

}  // namespace sluice::manifest
