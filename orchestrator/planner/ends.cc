#include "orchestrator/planner/ends.h"

#include <algorithm>

namespace sluice::planning {
namespace {

bool Has(const std::vector<HostId>& hosts, const HostId& host) {
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

// Those that one end is behind and the other is not, and that are no end
// themselves; sorted.
std::vector<HostId> Barriers(const End& a, const End& b) {
  std::vector<HostId> between;
  const auto add = [&](const End& one, const End& other) {
    for (const HostId& host : *one.behind) {
      if (Has(*other.behind, host) || host == a.host || host == b.host) {
        continue;
      }
      between.push_back(host);
    }
  };
  add(a, b);
  add(b, a);
  std::sort(between.begin(), between.end());
  between.erase(std::unique(between.begin(), between.end()), between.end());
  return between;
}

}  // namespace

End EndOf(const Host& host) { return {host.id, &host.addresses, &host.behind}; }
End EndOf(const External& external) {
  return {HostId(), &external.addresses, &external.behind};
}

bool AddFlows(const End& client, const End& server,
              const std::vector<Port::Range>& ranges,
              std::vector<HostFlow>& flows) {
  bool joined = false;
  const std::vector<HostId> through = Barriers(client, server);
  for (const Prefix& from : *client.addresses) {
    for (const Prefix& to : *server.addresses) {
      if (from.family() != to.family()) continue;
      joined = true;
      // A shared service address talks to itself inside one host.
      if (from == to && from.is_host()) continue;
      for (const Port::Range& range : ranges) {
        flows.push_back({client.host,
                         server.host,
                         {range.protocol, from, to, range.ports},
                         through});
      }
    }
  }
  return joined;
}

}  // namespace sluice::planning
