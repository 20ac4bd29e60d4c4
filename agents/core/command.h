// What an agent does next: imperatives, carried out in order.
//
// Fence commands are answered by FenceDone in the order they were given.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "agents/core/message.h"
#include "agents/core/observed.h"
#include "agents/core/order.h"
#include "agents/core/state.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

namespace fence {
struct Replace {
  FenceRules rules;
};
struct Open {
  std::string digest;
  absl::Duration lease;
  std::vector<Flow> flows;
};
struct Remove {
  std::string digest;
  std::vector<Flow> flows;
};
struct Renew {
  std::map<std::string, absl::Duration> leases;
};
struct Confirm {
  std::string digest;
  std::vector<Flow> flows;
};
struct Read {};
using Call = std::variant<Replace, Open, Remove, Renew, Confirm, Read>;
}  // namespace fence

// Answered by FenceDone.
struct ChangeFence {
  uint64_t request = 0;
  fence::Call call;
  bool notes = false;  // the answer has FenceDone::notes
};
// Answered by StateSaved once the state would survive a power cut.
struct SaveState {
  uint64_t request = 0;
  AgentState state;
};
// Answered by ChecksFinished, one result a check, in order.
struct StartChecks {
  uint64_t request = 0;
  std::vector<NamedCheck> checks;
  std::shared_ptr<const SensorPast> past = nullptr;  // AgentState's
};
// Answered by TriesFinished.
struct StartTries {
  uint64_t request = 0;
  std::vector<Flow> flows;
  absl::Duration timeout;
};
// Answered by UnitStarted.
struct StartUnitNow {
  uint64_t request = 0;
  std::string unit;
  absl::Duration timeout;
};
struct Send {
  Message message;
};
// This orchestrator is not ours; try another.
struct HangUp {
  std::string reason;
};
// The answer to a ReleasedLocally: a sentence about the text of this digest.
struct TellRoot {
  std::string text_digest;
  bool done = false;
  std::string sentence;
};
// For the host's own log.
struct Note {
  std::string text;
};

using Command = std::variant<ChangeFence, SaveState, StartChecks, StartTries,
                             StartUnitNow, Send, HangUp, TellRoot, Note>;

}  // namespace sluice::agent
