#include "agents/isolation/flow_sets.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

bool IsExact(const Flow& flow) {
  return flow.client.is_host() && flow.server.is_host() &&
         flow.ports.first == flow.ports.last;
}

SetKey KeyOf(const Flow& flow, int layer) {
  return {flow.protocol, flow.client.family(), layer};
}

// The wide flows of one protocol and family, by layer. Those to one server
// address can overlap only each other and those to a range of servers.
class Layers {
 public:
  // The first layer on which nothing overlaps `flow`, from 1; 0 when there is
  // none. Notes the flow as lying there.
  int Add(const Flow& flow) {
    std::array<bool, kMaxLayers + 1> taken{};
    const auto look_at = [&](const std::vector<Entry>& entries) {
      for (const auto& [layer, other] : entries) {
        if (!taken[layer] && FlowsOverlap(flow, other)) taken[layer] = true;
      }
    };
    look_at(to_ranges_);
    if (flow.server.is_host()) {
      look_at(to_hosts_[flow.server]);
    } else {
      for (const auto& [server, entries] : to_hosts_) {
        if (flow.server.Contains(server)) look_at(entries);
      }
    }
    for (int layer = 1; layer <= kMaxLayers; ++layer) {
      if (taken[layer]) continue;
      Note(layer, flow);
      return layer;
    }
    return 0;
  }

  void Note(int layer, const Flow& flow) {
    (flow.server.is_host() ? to_hosts_[flow.server] : to_ranges_)
        .push_back({layer, flow});
  }

 private:
  using Entry = std::pair<int, Flow>;
  std::map<Prefix, std::vector<Entry>> to_hosts_;
  std::vector<Entry> to_ranges_;
};

}  // namespace

std::string SetKey::Suffix() const {
  std::string suffix =
      absl::StrCat(ProtocolName(protocol), family == Family::kIpv4 ? "4" : "6");
  if (layer > 0) absl::StrAppend(&suffix, "_wide", layer);
  return suffix;
}

bool FlowsOverlap(const Flow& a, const Flow& b) {
  return a.protocol == b.protocol && a.ports.first <= b.ports.last &&
         b.ports.first <= a.ports.last && a.server.Overlaps(b.server) &&
         a.client.Overlaps(b.client);
}

absl::StatusOr<FlowSets> Place(const FlowSets& held,
                               const std::vector<Flow>& flows) {
  std::set<Flow> seen;
  std::map<SetKey, Layers> layers;  // by key with layer 0
  for (const auto& [key, members] : held) {
    for (const Flow& flow : members) {
      seen.insert(flow);
      if (key.layer > 0) layers[KeyOf(flow, 0)].Note(key.layer, flow);
    }
  }
  FlowSets added;
  for (const Flow& flow : flows) {
    if (!seen.insert(flow).second) continue;
    int layer = 0;
    if (!IsExact(flow)) {
      layer = layers[KeyOf(flow, 0)].Add(flow);
      if (layer == 0) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "'", flow.Line(), "' overlaps ", kMaxLayers, " other flows that ",
            "overlap one another; declare one wider flow in their place"));
      }
    }
    added[KeyOf(flow, layer)].push_back(flow);
  }
  return added;
}

FlowSets Find(const FlowSets& held, const std::vector<Flow>& flows) {
  const std::set<Flow> wanted(flows.begin(), flows.end());
  FlowSets found;
  for (const auto& [key, members] : held) {
    for (const Flow& flow : members) {
      if (wanted.contains(flow)) found[key].push_back(flow);
    }
  }
  return found;
}

std::vector<Flow> AllFlows(const FlowSets& sets) {
  std::vector<Flow> all;
  for (const auto& [key, members] : sets) {
    all.insert(all.end(), members.begin(), members.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace sluice::agent
