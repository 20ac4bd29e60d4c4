// What an agent must not forget, and its text.
//
// The state outlives the process and, but for what depends on the boot-time
// clock, the boot. Flows open under a lease are not part of it: they are gone
// when the agent starts again (S3).

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agents/core/message.h"
#include "agents/core/observed.h"
#include "agents/core/order.h"
#include "agents/isolation/fence.h"
#include "common/flow.h"
#include "common/ids.h"
#include "common/prefix.h"
#include "common/release_order.h"

namespace sluice::agent {

struct Grant {
  enum class State : uint8_t {
    kClosed,     // proposed; may open
    kOpen,       // leased; written as closed, for a start closes it
    kStanding,   // confirmed
    kWithdrawn,  // can never open again under this release order
  };
  std::vector<Flow> flows;
  State state = State::kClosed;
  absl::Duration opened_at;  // boot-time clock; kOpen only
};

// A release order this host said it would accept.
struct KnownRelease {
  ReleaseOrder order;
  std::string round;
  std::string evidence_digest;  // this host's, frozen for `round`
  absl::Duration frozen_at;     // boot-time clock of AgentState::boot_id
  std::map<GrantId, Grant> grants;
  // When the guard runs out unless renewed, on the boot-time clock; not
  // written.
  absl::Duration guard_until;

  const ReleaseOrder::Host& host(const HostId& id) const;
  // Past this nothing opens, is renewed or is confirmed.
  absl::Duration valid_until() const {
    return frozen_at + absl::Seconds(order.valid_seconds);
  }
  bool HasAny(Grant::State state) const;
};

struct FrozenEvidence {
  std::string digest;
  absl::Duration frozen_at;
};

// The answer to an order that must not be carried out twice, even by another
// process.
struct SavedAnswer {
  OrderId order;
  Outcome outcome = Outcome::kDone;
  std::string reason;
};

// A delegation that was shown to this host, the newest of its delegator.
struct SeenDelegation {
  std::string text;        // common/delegation.h
  absl::Duration seen_at;  // boot-time clock
  // Digest of the delegator's key then: who has another one by now gave nothing
  // away with it.
  std::string key;
  // Since a reboot or a rotation nobody can say how much of it is left: it is
  // remembered only so that it cannot begin again.
  bool spent = false;
};

// A break-glass text that opened this host (common/break_glass.h). Kept while
// it is in force, and until the orchestrator has noted it.
struct BrokenGlass {
  std::string text;
  std::string signature;
  bool in_force = true;  // until the next isolation
  bool noted = false;
  // What of its flows still stands; closing a peer takes them out.
  std::vector<Flow> flows;

  friend bool operator==(const BrokenGlass&, const BrokenGlass&) = default;
};

struct AgentState {
  static constexpr size_t kMaxGlass = 32;
  static constexpr size_t kMaxAnswers = 256;
  static constexpr size_t kMaxShutPeers = 1024;

  uint64_t serial = 0;  // counts up at each save
  EstateId estate;
  HostId host;
  std::string boot_id;
  Mode mode = Mode::kOpen;
  uint64_t quarantine_number = 0;
  std::string reason;                              // why it is in quarantine
  uint64_t epoch = 0;                              // the highest seen
  std::string instance;                            // of that epoch
  std::map<std::string, FrozenEvidence> evidence;  // by round
  std::map<std::string, KnownRelease> releases;    // by digest
  // Peers that everything was closed to, and when (boot-time clock): evidence
  // from before that opens nothing to them any more.
  std::map<Prefix, absl::Duration> shut_peers;
  // The last rotation taken (common/rotation.h); empty: none, agent.yaml rules.
  std::string rotation;
  std::map<OperatorId, SeenDelegation> delegations;  // by delegator
  std::vector<BrokenGlass> glass;                    // oldest first
  // None: the sensor was never begun anew.
  std::shared_ptr<const SensorPast> past;
  std::deque<SavedAnswer> answers;                   // oldest first

  // Canonical text, its last line a digest of all before.
  std::string Encode() const;
  // The inverse. Anything else than what Encode() writes is an error, cut or
  // changed texts among them.
  static absl::StatusOr<AgentState> Decode(absl::string_view text);
};

// One line for people and for canonical texts: control characters and broken
// UTF-8 become spaces and '?', longer texts are cut at `limit` bytes.
std::string OneLine(absl::string_view text, size_t limit);

// 1 to 256 bytes without spaces and control characters.
bool IsName(absl::string_view text);

}  // namespace sluice::agent
