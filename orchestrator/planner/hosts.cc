// What quarantine keeps on each host.

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status.h"
#include "orchestrator/planner/draft.h"
#include "orchestrator/planner/ends.h"

namespace sluice::planning {
namespace {

// "10.77.0.1:7443" or "[fd77::1]:7443"; anything else (a socket's path) is no
// flow.
std::optional<std::pair<Prefix, PortRange>> Endpoint(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  absl::string_view address = text.substr(0, colon);
  if (absl::ConsumePrefix(&address, "[") &&
      !absl::ConsumeSuffix(&address, "]")) {
    return std::nullopt;
  }
  const absl::StatusOr<Prefix> prefix = Prefix::Parse(address);
  int port = 0;
  if (!prefix.ok() || !absl::SimpleAtoi(text.substr(colon + 1), &port) ||
      port < 1 || port > 65535) {
    return std::nullopt;
  }
  const auto number = static_cast<uint16_t>(port);
  return std::pair(*prefix, PortRange{number, number});
}

class Resolver {
 public:
  explicit Resolver(const Draft& draft) : draft_(draft) {}

  absl::StatusOr<std::vector<PlannedHost>> Run() {
    List();
    for (const Host& host : draft_.model->hosts) {
      for (const Vital& vital : host.vital) {
        SLUICE_RETURN_IF_ERROR(AddVital(host, vital));
      }
      AddManagementOnTheWay(host);
    }
    for (PlannedHost& host : hosts_) {
      std::sort(host.vital.begin(), host.vital.end());
      host.vital.erase(std::unique(host.vital.begin(), host.vital.end()),
                       host.vital.end());
      std::sort(host.systems.begin(), host.systems.end());
      host.systems.erase(std::unique(host.systems.begin(), host.systems.end()),
                         host.systems.end());
    }
    return std::move(hosts_);
  }

 private:
  void List() {
    for (const Host& host : draft_.model->hosts) {
      PlannedHost planned;
      planned.id = host.id;
      planned.addresses = host.addresses;
      planned.grade = host.grade;
      planned.acting = host.acting;
      planned.instructions = host.instructions;
      std::sort(planned.addresses.begin(), planned.addresses.end());
      hosts_.push_back(std::move(planned));
    }
    std::sort(
        hosts_.begin(), hosts_.end(),
        [](const PlannedHost& a, const PlannedHost& b) { return a.id < b.id; });
    for (size_t i = 0; i < hosts_.size(); ++i) index_.emplace(hosts_[i].id, i);
    for (const System& system : draft_.model->systems) {
      for (const HostId& id : system.hosts) {
        if (PlannedHost* host = Find(id)) host->systems.push_back(system.id);
      }
    }
  }

  PlannedHost* Find(const HostId& id) {
    const auto at = index_.find(id);
    return at != index_.end() ? &hosts_[at->second] : nullptr;
  }

  absl::Status AddVital(const Host& host, const Vital& vital) {
    const auto external = draft_.externals.find(vital.external);
    const auto peer = draft_.hosts.find(vital.host);
    if (external == draft_.externals.end() && peer == draft_.hosts.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          At(*draft_.model, vital.place), "vital flow of host '", host.id.str(),
          "' goes to '",
          vital.host.empty() ? vital.external.str() : vital.host.str(),
          "', which is not declared"));
    }
    const bool to_peer = peer != draft_.hosts.end();
    const End server =
        to_peer ? EndOf(*peer->second) : EndOf(*external->second);
    std::vector<HostFlow> flows;
    if (!AddFlows(EndOf(host), server, {vital.range}, flows)) {
      return absl::InvalidArgumentError(absl::StrCat(
          At(*draft_.model, vital.place), "vital flow of host '", host.id.str(),
          "' joins no two addresses of one family; give both "
          "ends an IPv4 or both an IPv6 address"));
    }
    // A flow passes every fence on its way, or it does not pass.
    for (const HostFlow& flow : flows) {
      Find(host.id)->vital.push_back(flow.flow);
      if (to_peer) Find(vital.host)->vital.push_back(flow.flow);
      for (const HostId& barrier : flow.through) {
        if (PlannedHost* on_the_way = Find(barrier)) {
          on_the_way->vital.push_back(flow.flow);
        }
      }
    }
    return absl::OkStatus();
  }

  // Isolating a barrier must not cut off the agents behind it.
  void AddManagementOnTheWay(const Host& host) {
    for (const std::string& text : draft_.model->management.orchestrators) {
      const auto endpoint = Endpoint(text);
      if (!endpoint.has_value()) continue;
      for (const Prefix& address : host.addresses) {
        if (address.family() != endpoint->first.family()) continue;
        for (const HostId& barrier : host.behind) {
          PlannedHost* on_the_way = Find(barrier);
          if (on_the_way == nullptr) continue;
          on_the_way->vital.push_back(
              {Protocol::kTcp, address, endpoint->first, endpoint->second});
        }
      }
    }
  }

  const Draft& draft_;
  std::vector<PlannedHost> hosts_;
  absl::flat_hash_map<HostId, size_t> index_;
};

}  // namespace

absl::StatusOr<std::vector<PlannedHost>> ResolveHosts(const Draft& draft) {
  return Resolver(draft).Run();
}

}  // namespace sluice::planning
