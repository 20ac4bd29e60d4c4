// A break-glass text: one person's word, by the key that one host's own file
// pins for it (namespace break-glass@sluice), that this host opens although no
// orchestrator is there to ask. The host itself drafts it; see
// docs/decisions/0010-break-glass.md.
//
//   sluice break-glass 1
//   estate city-utility
//   host db-1
//   quarantine-number 4
//   boot 0d6f1c5e-…
//   drafted-seconds 81244
//   valid-seconds 1800
//   reason the orchestrator's machine burnt
//   open everything                 (or, instead, one line for each flow:)
//   flow tcp 10.77.0.21 10.77.0.11 5432
//
// Hosts have no wall time: it may be used for `valid` after it was drafted, on
// that host's boot-time clock and in that boot. The next isolation voids it,
// used or not: the quarantine number counts up.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/flow.h"
#include "common/ids.h"

namespace sluice {

struct BreakGlass {
  static constexpr int64_t kLongestValid = 24 * 3600;
  static constexpr size_t kLongestReason = 400;
  static constexpr size_t kMostFlows = 256;

  EstateId estate;
  HostId host;
  uint64_t quarantine_number = 0;
  std::string boot;             // of the host that drafted it
  int64_t drafted_seconds = 0;  // since that boot
  int64_t valid_seconds = 1800;
  std::string reason;       // one line, not empty
  std::vector<Flow> flows;  // sorted, unique; none: everything

  bool everything() const { return flows.empty(); }
  // "everything", "tcp 10.77.0.21 10.77.0.11 5432", "3 flows".
  std::string What() const;

  // The canonical text. REQUIRES: names without spaces, a reason of one line.
  std::string Body() const;
  // Refuses what is not byte for byte what Body() writes, an empty reason or
  // one over kLongestReason bytes, and a validity over kLongestValid.
  static absl::StatusOr<BreakGlass> Parse(absl::string_view body);

  friend bool operator==(const BreakGlass&, const BreakGlass&) = default;
};

}  // namespace sluice
