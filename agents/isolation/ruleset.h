// The fence as nftables text. Pure: what is changed, not how it is run.
//
// The table, in short (all of it: tests/golden/isolation/ruleset.nft):
//
//   raw_in, raw_out  management passes by connection tracking, so that nothing
//                    done to connections can stall the agent
//   in, out, forward loopback, management, what IPv6 needs, then `flows`; what
//                    is left is recorded, counted and dropped (out: rejected)
//   ask              whose an attempt outwards is, where somebody listens
//   egress           guests' own traffic after source NAT; only where the host
//                    names interior interfaces
//   flows            one jump a group: vital, standing, and each release behind
//                    its guard, a set whose elements the kernel times out
//
// A flow is matched on the original tuple of its connection, packet by packet,
// in both directions, by the same rule wherever it is met. No rule accepts what
// is merely established, and a TCP connection starts with a SYN: so whatever
// leaves the sets is cut, and nothing old comes back (S4). Vital flows alone
// are matched without their connections too: their sessions are to live on.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/isolation/fence.h"
#include "agents/isolation/listing.h"

namespace sluice::agent {

struct RulesetOptions {
  std::string table = "sluice";
  // Interfaces that lead only to guests of this host (containers, virtual
  // machines), by exact name: open between host and guests and among guests.
  std::vector<std::string> interior;
  // Of nflog (packet_log.h): the first opening of a kind in a minute is told
  // there with its sender, and each name that is looked up. 0: none is. That
  // first opening is dropped, not rejected, so that its sender is still there
  // to be found; it is sent again, and rejected, one second later.
  uint16_t log_group = 0;
};

// Refuses table and interface names that are not plain.
absl::Status CheckOptions(const RulesetOptions& options);

// The group of a release: "r_" and the first 12 hex digits of its digest.
// REQUIRES: IsDigest(digest).
std::string ReleaseGroup(const std::string& digest);

// What the sensor held, and since when it has watched (boot-time clock; 1 ms).
struct Sensor {
  std::vector<Attempt> attempts;
  absl::Duration since;
};

// The whole table in the place of whatever is there, `sensor` put back.
absl::StatusOr<std::string> ReplaceText(const RulesetOptions& options,
                                        const FenceRules& rules,
                                        const Sensor& sensor);

std::string DeleteText(const RulesetOptions& options);

// Flows added to a release; a guard that ran out starts anew, without the
// flows the release held before.
absl::StatusOr<std::string> OpenText(const RulesetOptions& options,
                                     const Listing& now, const Release& add);

// Flows taken out of the groups named; releases left empty go altogether.
// Empty text: nothing to do.
std::string RemoveText(const RulesetOptions& options, const Listing& now,
                       const std::vector<std::string>& groups,
                       const std::vector<Flow>& flows);

// Guards started anew. The kernel refuses the whole of it when one of them has
// run out by then.
std::string RenewText(const RulesetOptions& options,
                      const std::map<std::string, absl::Duration>& leases);

// Flows moved from a release to standing. Refused by the kernel when the guard
// has run out by then.
absl::StatusOr<std::string> ConfirmText(const RulesetOptions& options,
                                        const Listing& now,
                                        const std::string& digest,
                                        const std::vector<Flow>& flows);

// The commands that list the table, each set of the sensor, and the guard of
// `group`.
std::string ListTableText(const RulesetOptions& options);
std::vector<std::string> ListSensorTexts(const RulesetOptions& options);
std::string ListGuardText(const RulesetOptions& options,
                          const std::string& group);

}  // namespace sluice::agent
