// What the kernel says of our table: libnftables' JSON listing, understood.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agents/isolation/fence.h"
#include "agents/isolation/flow_sets.h"

namespace sluice::agent {

struct Listing {
  struct Guard {
    std::string digest;
    bool live = false;
    // REQUIRES live: at least this much is left.
    absl::Duration remaining;
  };
  struct Jump {
    std::string chain;   // where the rule stands
    std::string target;  // where it jumps to
    uint64_t handle = 0;
  };

  bool exists = false;
  // The chains on the hooks are there and drop what no rule accepts. A table
  // without them (another hand's work) is no fence.
  bool upright = false;
  uint64_t table_handle = 0;  // another one when the table was made anew
  std::map<std::string, FlowSets> groups;  // by name: "vital", "r_3f2a91c04b7e"
  std::map<std::string, Guard> guards;     // by group name
  std::vector<Jump> jumps;
  uint64_t dropped_packets = 0;
  std::vector<Attempt> attempts;
  int dated_sensors = 0;  // sets that say since when they watch
  // The latest of them; before the boot, when it goes on from before a reboot.
  absl::Duration sensor_since = -absl::InfiniteDuration();
  bool sensor_full = false;     // of those for what goes out
  std::string rules_digest;

  const FlowSets& Group(const std::string& name) const;
  // What passes now: vital, standing, and the releases whose guard lives.
  std::vector<Flow> Live() const;
  FenceReading Reading() const;
  bool HasDeadGuard() const;
};

// Reads `nft -j list table`. An object it does not know is part of the digest
// and nothing else.
absl::StatusOr<Listing> ParseListing(absl::string_view json);

// The shortest "expires" of a set listed as text: JSON gives whole seconds.
// Infinite when no element has one.
absl::StatusOr<absl::Duration> ParseExpires(absl::string_view text);

}  // namespace sluice::agent
