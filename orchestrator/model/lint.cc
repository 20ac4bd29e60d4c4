#include "orchestrator/model/lint.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/model/graph.h"

namespace sluice {
namespace {

// A system is a single point of failure worth a warning when this many others,
// and at least half of them, wait for it.
constexpr int kManyDependents = 3;

class Linter {
 public:
  explicit Linter(const Model& model) : model_(model) {}

  std::vector<Diagnostic> Run() {
    for (const System& system : model_.systems) CheckSystem(system);
    SinglePoints();
    SharedHosts();
    SamePorts();
    Gates();
    Externals();
    return std::move(found_);
  }

 private:
  void Warn(Place place, std::string message) {
    found_.push_back(
        {Diagnostic::Severity::kWarning, place, std::move(message)});
  }

  static std::string Quoted(const System& system) {
    return absl::StrCat("system '", system.id.str(), "'");
  }

  void CheckSystem(const System& system) {
    if (system.health.empty()) {
      Warn(system.place,
           absl::StrCat(Quoted(system),
                        " has no health check: it counts as "
                        "healthy once its flows are tried; add health:"));
    }
    if (system.inspect.empty()) {
      Warn(system.place,
           absl::StrCat(Quoted(system),
                        " has no inspection: nobody looks for "
                        "a sign that it may not come back; add inspect:"));
    }
    for (const HostId& id : system.hosts) {
      const Host* host = model_.FindHost(id);
      if (host == nullptr || host->grade == Grade::kKernel) continue;
      Warn(system.place,
           absl::StrCat(Quoted(system), " is on host '", id.str(), "', which ",
                        host->grade == Grade::kDriven
                            ? "a driver closes: an unconfirmed flow stays open "
                              "when the acting agent fails (promise S3)"
                            : "people close by hand: nothing there closes by "
                              "itself (promise S3) or cuts old sessions (S4)",
                        "; put a kernel fence in front of it, or decide so"));
    }
  }

  void SinglePoints() {
    const int others = static_cast<int>(model_.systems.size()) - 1;
    if (others < kManyDependents) return;
    // Reach is linear for each system; in a large estate look only at those
    // that many need directly.
    std::map<SystemId, int> direct;
    for (const System& system : model_.systems) {
      for (const Need& need : system.needs) {
        if (need.strength == Strength::kHard) ++direct[need.system];
      }
    }
    const DependencyGraph graph(model_);
    int looked_at = 0;
    for (size_t i = 0; i < model_.systems.size(); ++i) {
      const System& system = model_.systems[i];
      const int enough = system.enough == 0
                             ? static_cast<int>(system.hosts.size())
                             : system.enough;
      if (enough < static_cast<int>(system.hosts.size())) continue;
      if (others > 1000 && (direct[system.id] < 10 || ++looked_at > 200)) {
        continue;
      }
      const int waiting =
          static_cast<int>(graph.BlastRadius(static_cast<int>(i)).size());
      if (waiting < kManyDependents || 2 * waiting < others) continue;
      Warn(system.place,
           absl::StrCat(
               Quoted(system), " is a single point of failure: ", waiting,
               " of ", others, " other systems wait for ",
               system.hosts.size() == 1 ? "its one host" : "all of its hosts",
               "; add a host and enough:, or decide so"));
    }
  }

  void SharedHosts() {
    std::map<SystemId, int> stage_of;
    for (size_t i = 0; i < model_.stages.size(); ++i) {
      for (const SystemId& id : model_.stages[i].systems) {
        stage_of[id] = static_cast<int>(i);
      }
    }
    std::map<HostId, std::map<int, SystemId>> stages;
    for (const System& system : model_.systems) {
      const auto stage = stage_of.find(system.id);
      if (stage == stage_of.end()) continue;
      for (const HostId& host : system.hosts) {
        stages[host].emplace(stage->second, system.id);
      }
    }
    for (const auto& [id, by_stage] : stages) {
      const Host* host = model_.FindHost(id);
      if (by_stage.size() < 2 || host == nullptr) continue;
      std::vector<std::string> parts;
      for (const auto& [stage, system] : by_stage) {
        parts.push_back(absl::StrCat("'", system.str(), "' (stage ",
                                     model_.stages[stage].id.str(), ")"));
      }
      Warn(host->place,
           absl::StrCat("host '", id.str(),
                        "' is shared by systems of "
                        "different stages: ",
                        absl::StrJoin(parts, ", "),
                        "; what is wrong with one may be wrong with the "
                        "others: separate them, or look twice at the gate"));
    }
  }

  void SamePorts() {
    using Key = std::pair<HostId, Protocol>;
    struct Use {
      PortRange ports;
      const System* system;
      const Port* port;
    };
    std::map<Key, std::vector<Use>> uses;
    for (const System& system : model_.systems) {
      for (const Port& port : system.ports) {
        for (const Port::Range& range : port.ranges) {
          for (const HostId& host : system.hosts) {
            uses[{host, range.protocol}].push_back(
                {range.ports, &system, &port});
          }
        }
      }
    }
    std::set<std::pair<const Port*, const Port*>> said;
    for (auto& [key, list] : uses) {
      std::sort(list.begin(), list.end(), [](const Use& a, const Use& b) {
        return a.ports != b.ports ? a.ports < b.ports
                                  : a.system->id < b.system->id;
      });
      for (size_t i = 1; i < list.size(); ++i) {
        const Use& a = list[i - 1];
        const Use& b = list[i];
        if (b.ports.first > a.ports.last || a.system == b.system) continue;
        if (!said.insert({a.port, b.port}).second) continue;
        Warn(b.port->place,
             absl::StrCat("systems '", a.system->id.str(), "' and '",
                          b.system->id.str(), "' both listen on ",
                          b.ports.ToString(), "/", ProtocolName(key.second),
                          " of host '", key.first.str(),
                          "': opening it for one opens it for the other; "
                          "check the numbers"));
      }
    }
  }

  void Gate(const GateRule& gate, Place place, absl::string_view who) {
    int people = 0;
    for (const auto& [role, count] : gate.approvals) people += count;
    if (people == 1) {
      Warn(place, absl::StrCat(who,
                               " can be passed by one person; ask for a "
                               "second role, or decide so"));
    }
    if (!gate.no_self_approval) return;
    for (const Approver& approver : model_.approvers) {
      if (QuorumCanBeMet(model_, gate, approver.id)) continue;
      Warn(place,
           absl::StrCat(who, " forbids self-approval and cannot open when '",
                        approver.id.str(), "' starts the run; add a deputy"));
      return;
    }
  }

  void Gates() {
    for (const Stage& stage : model_.stages) {
      Gate(stage.gate, stage.place,
           absl::StrCat("gate '", stage.id.str(), "'"));
    }
    if (model_.stages.empty() && !model_.systems.empty()) {
      Gate(model_.default_gate, model_.systems[0].place, "every gate");
    }
  }

  void Externals() {
    std::set<ExternalId> used;
    for (const System& system : model_.systems) {
      for (const Need& need : system.needs) used.insert(need.external);
      for (const Service& service : system.serves) {
        used.insert(service.external);
      }
    }
    for (const Host& host : model_.hosts) {
      for (const Vital& vital : host.vital) used.insert(vital.external);
    }
    for (const External& external : model_.externals) {
      if (used.count(external.id) == 0) {
        Warn(external.place,
             absl::StrCat("external '", external.id.str(),
                          "' is used by "
                          "nobody; remove it, or add the need or serves: that "
                          "is missing"));
      }
      for (const Prefix& range : external.addresses) {
        // Everything (/0) is meant to cover the estate too.
        if (range.length() == 0) continue;
        const Host* inside = HostIn(range);
        if (inside == nullptr) continue;
        Warn(external.place,
             absl::StrCat("external '", external.id.str(), "' (",
                          range.ToString(), ") covers host '", inside->id.str(),
                          "': what opens for it opens for "
                          "that host too; narrow the range"));
        break;
      }
    }
  }

  const Host* HostIn(const Prefix& range) const {
    for (const Host& host : model_.hosts) {
      for (const Prefix& address : host.addresses) {
        if (range.Contains(address)) return &host;
      }
    }
    return nullptr;
  }

  const Model& model_;
  std::vector<Diagnostic> found_;
};

}  // namespace

std::vector<Diagnostic> Lint(const Model& model) { return Linter(model).Run(); }

bool QuorumCanBeMet(const Model& model, const GateRule& gate,
                    const OperatorId& without) {
  // Each place at the gate wants a person of its own: augmenting paths, as in
  // any matching. Places are few (at most 20 a role).
  std::vector<RoleId> places;
  for (const auto& [role, count] : gate.approvals) {
    places.insert(places.end(), count, role);
  }
  std::vector<int> place_of(model.approvers.size(), -1);
  std::vector<bool> tried;
  const std::function<bool(int)> seat = [&](int place) {
    for (size_t i = 0; i < model.approvers.size(); ++i) {
      const Approver& approver = model.approvers[i];
      if (tried[i] || approver.id == without ||
          std::find(approver.roles.begin(), approver.roles.end(),
                    places[place]) == approver.roles.end()) {
        continue;
      }
      tried[i] = true;
      if (place_of[i] < 0 || seat(place_of[i])) {
        place_of[i] = place;
        return true;
      }
    }
    return false;
  };
  for (size_t place = 0; place < places.size(); ++place) {
    tried.assign(model.approvers.size(), false);
    if (!seat(static_cast<int>(place))) return false;
  }
  return true;
}

}  // namespace sluice
