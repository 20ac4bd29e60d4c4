// What has happened to an agent: the only thing that changes its core.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agents/core/message.h"
#include "agents/core/observed.h"
#include "agents/core/order.h"
#include "agents/core/state.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

// First, once.
struct Started {
  // What the state file said: a state, "there is none", or why it cannot be
  // believed.
  enum class File : uint8_t { kRead, kMissing, kCorrupt };
  File file = File::kMissing;
  AgentState state;     // kRead
  std::string problem;  // kCorrupt
  std::string boot_id;
  // Higher than any number ever counted up to one by one (seconds since 1970
  // do): the quarantine number to go on from when the state is lost.
  uint64_t fresh_number = 0;
  // How often the whole fence is read without a reason. Rarely where the kernel
  // tells of every change by another hand (TableTouched).
  absl::Duration audit_every = absl::Seconds(5);
};

// The stream is up and nothing was said on it yet.
struct LinkConnected {};
// The orchestrator said who it is.
struct LinkWelcomed {
  uint64_t epoch = 0;
  std::string instance;
  std::string estate;
};
struct LinkDown {};

struct OrderReceived {
  Order order;
};
struct RenewalReceived {
  uint64_t epoch = 0;
  std::vector<std::string> release_digests;
  uint64_t counter = 0;
};
// Root on this host asked for it, without any orchestrator.
struct IsolatedLocally {
  std::string reason;
};

// Root asks to open this host by a break-glass text. Answered by TellRoot.
struct ReleasedLocally {
  std::string text;
  std::string signature;  // armoured
};

// Another program changed our table, or may have: `hand` says which, as far as
// the kernel told ("nft, process 812"); empty: perhaps this agent itself did.
struct TableTouched {
  std::string hand;
};

// ── answers to commands, by their request number ────────────────────────────

// `reading` is meaningless when `status` is not OK, and after Renew.
struct FenceDone {
  uint64_t request = 0;
  absl::Status status;
  FenceReading reading;
  // What was seen besides the fence's counters, where it was asked for.
  std::optional<SensorNotes> notes = std::nullopt;
};
struct StateSaved {
  uint64_t request = 0;
  absl::Status status;
};
struct ChecksFinished {
  uint64_t request = 0;
  std::vector<NamedResult> results;
};
struct TriesFinished {
  uint64_t request = 0;
  std::vector<FlowTried> tries;
};
struct UnitStarted {
  uint64_t request = 0;
  absl::Status status;
};

// The clock reached the deadline that Step() asked for.
struct TimePassed {};

using Event =
    std::variant<Started, LinkConnected, LinkWelcomed, LinkDown, OrderReceived,
                 RenewalReceived, IsolatedLocally, ReleasedLocally,
                 TableTouched, FenceDone, StateSaved, ChecksFinished,
                 TriesFinished, UnitStarted, TimePassed>;

}  // namespace sluice::agent
