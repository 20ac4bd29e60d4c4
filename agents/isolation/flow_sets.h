// How flows are laid into kernel sets.
//
// One set holds flows of one protocol and family. Flows from one host to one
// host and port lie in an exact set (a hash). All others lie in interval sets,
// in which no two elements may overlap: the kernel refuses some overlaps and
// mistakes others for one another when one is deleted. So a flow that overlaps
// one already there goes one layer further, into a set of its own: the pilot
// office inside "everywhere" keeps its own element, and taking out one leaves
// the other. Merging would lose which flow is which.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/flow.h"

namespace sluice::agent {

struct SetKey {
  Protocol protocol = Protocol::kTcp;
  Family family = Family::kIpv4;
  int layer = 0;  // 0: exact; from 1: intervals

  // "tcp4", "udp6_wide1": what the set's name ends in.
  std::string Suffix() const;

  friend bool operator==(const SetKey&, const SetKey&) = default;
  friend auto operator<=>(const SetKey&, const SetKey&) = default;
};

// The flows of one group (vital, standing, one release), set by set.
using FlowSets = std::map<SetKey, std::vector<Flow>>;

inline constexpr int kMaxLayers = 32;

bool FlowsOverlap(const Flow& a, const Flow& b);

// Where those of `flows` go that `held` has not got yet: only the additions.
// ResourceExhausted when more than kMaxLayers flows overlap one another.
absl::StatusOr<FlowSets> Place(const FlowSets& held,
                               const std::vector<Flow>& flows);

// Where those of `flows` lie that `held` has got.
FlowSets Find(const FlowSets& held, const std::vector<Flow>& flows);

// All flows, sorted, each once.
std::vector<Flow> AllFlows(const FlowSets& sets);

}  // namespace sluice::agent
