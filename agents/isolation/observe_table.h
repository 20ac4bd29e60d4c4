// Who talks to whom on a host that is open: one nftables table that records and
// never decides. Every chain accepts, and no rule has a verdict that a full set
// or a missing reader could change.
//
// Recorded are opening SYNs, and UDP to ports below 32768 (above are answers,
// as far as a packet alone tells); inbound before, outbound after the addresses
// are translated, so that published ports of containers are this host's. What
// is merely routed through is not. Connections are not looked at: a host that
// tracks none begins to with the first rule that asks for their state.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

class Nft;

inline constexpr char kObserveTable[] = "sluice_observe";

struct ObserveReading {
  std::vector<Attempt> counted;  // `packets`: openings; UDP: datagrams
  bool full = false;             // what came later was not recorded
  // From here on it counts from nothing: the sets were nearly full, or there
  // was no table of ours (the first time, a reboot, another hand).
  bool emptied = false;
};

// The table, in the place of whatever is there. `log_group`: of packet_log.h,
// told at most once a minute of each pair of peer and port.
std::string ObserveText(uint16_t log_group);

// What was counted since it was emptied last; the table is there afterwards.
absl::StatusOr<ObserveReading> ReadObserved(Nft& nft, uint16_t log_group);

// No table, no error.
absl::Status StopObserving(Nft& nft);

}  // namespace sluice::agent
