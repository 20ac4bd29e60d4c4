// What an agent says to the orchestrator: plain values, mirroring agent.proto.

#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "agents/core/order.h"
#include "agents/isolation/fence.h"
#include "common/flow.h"
#include "common/ids.h"
#include "common/verdict.h"

namespace sluice::agent {

// What the kernel holds, read back, never remembered, by release order.
struct FenceState {
  struct Release {
    std::string digest;
    int leased_flows = 0;
    int standing_flows = 0;
    absl::Duration lease_remaining;  // zero: closed
    std::vector<GrantId> withdrawn;

    friend bool operator==(const Release&, const Release&) = default;
  };
  Mode mode = Mode::kOpen;
  uint64_t quarantine_number = 0;
  uint64_t state_serial = 0;
  std::vector<Release> releases;
  uint64_t dropped_packets = 0;
  std::string rules_digest;
  std::vector<std::string> broken_glass;  // digests of those in force
  std::string sensor_anew;  // the last act that began its sensor anew
};

struct Hello {
  std::string agent_version;
  std::string boot_id;
  uint64_t highest_epoch = 0;
  FenceState fence;
};

enum class Outcome : uint8_t {
  kDone,
  kRefused,  // not allowed: void, stale, or outside the host's own file
  kFailed,   // allowed and tried, but it did not work
};

struct ChecksDone {
  std::vector<NamedResult> results;
};
struct EvidenceFrozen {
  std::string digest;
  std::string text;
  std::vector<NamedResult> results;
  std::string signature;  // over the text, by this host; may be empty
};
struct ReleaseAnswer {
  bool accepts = false;
  std::string reason;
};
struct FlowTried {
  Flow flow;
  Verdict verdict = Verdict::kInconclusive;
  std::string reason;

  friend bool operator==(const FlowTried&, const FlowTried&) = default;
};
struct FlowsTried {
  std::vector<FlowTried> flows;
};

struct Report {
  OrderId order;
  Outcome outcome = Outcome::kDone;
  std::string reason;
  FenceState fence;
  std::variant<std::monostate, ChecksDone, EvidenceFrozen, ReleaseAnswer,
               FlowsTried>
      detail;
};

struct WatchChanged {
  StepId step;
  NamedResult result;
};
struct LeaseLost {
  std::string release_digest;
};
struct Heartbeat {
  uint64_t counter = 0;
};
struct FenceChanged {
  std::string reason;
  FenceState fence;
};

// Root opened this host by its break-glass key (common/break_glass.h).
struct GlassBroken {
  std::string text;
  std::string signature;
  bool over = false;  // an isolation has ended it since
  FenceState fence;
};

using Message = std::variant<Hello, Report, WatchChanged, LeaseLost, Heartbeat,
                             FenceChanged, GlassBroken>;

}  // namespace sluice::agent
