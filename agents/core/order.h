// Orders as the core knows them: plain values, mirroring agent.proto, already
// parsed (flows are flows) but not yet believed.

#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"
#include "common/ids.h"
#include "common/prefix.h"
#include "common/verdict.h"

namespace sluice::agent {

// "run:head/sequence/index", of the orchestrator. Repeats are recognised by
// it.
using OrderId = Name<struct OrderTag>;

struct NamedCheck {
  CheckId id;
  CheckSpec spec;

  friend bool operator==(const NamedCheck&, const NamedCheck&) = default;
};

struct NamedResult {
  CheckId id;
  CheckResult result;

  friend bool operator==(const NamedResult&, const NamedResult&) = default;
};

struct GrantFlows {
  GrantId grant;
  std::vector<Flow> flows;
};

// One person's go. `roles` are those the decision counts for.
struct Decision {
  OperatorId by;
  std::vector<RoleId> roles;
  std::string body_digest;
  std::string signature;
};

struct IsolateHost {
  std::string reason;
  // Not empty: the sensor begins anew, by this person's act, once.
  std::string sensor_anew = {};
};
// Without `peers`: all flows of these grants. With them: of these grants (of
// all, when none is named) the flows whose other end is one of these addresses.
struct Withdraw {
  std::vector<GrantId> grants;
  std::string reason;
  std::vector<Prefix> peers = {};
};
struct FreezeEvidence {
  std::string round;  // "data/1"
  std::vector<NamedCheck> inspections;
};
struct Propose {
  std::string body;
  std::vector<GrantFlows> grants;
  std::string round;
  std::vector<std::string> will_ask = {};  // "unit NAME", "plugin NAME", …
};
struct OpenFlows {
  std::string release_digest;
  std::vector<GrantId> grants;
  std::vector<Decision> decisions;
};
struct TryFlows {
  std::vector<Flow> flows;
  absl::Duration timeout = absl::Seconds(3);
};
struct RunChecks {
  std::vector<NamedCheck> checks;
};
struct StartUnit {
  std::string unit;
};
struct Watch {
  StepId step;
  std::vector<NamedCheck> checks;  // empty: stop
  absl::Duration every = absl::Seconds(5);
};
struct Confirm {
  std::string release_digest;
  std::vector<GrantId> grants;
  StepId step;
  std::vector<Decision> decisions;  // where the order confirms by decision
};
struct ReadFence {};
// A rotation or a delegation, and the signatures that came with it.
struct ChangeTrust {
  std::string text;
  std::vector<std::string> signatures;
};
// A break-glass text that the orchestrator has on its disk.
struct GlassNoted {
  std::string text_digest;
};
// What could not be read: an unknown kind, a flow that is none. Refused with
// `why`.
struct Unreadable {
  std::string why;
};

struct Order {
  OrderId id;
  uint64_t epoch = 0;
  absl::Duration deadline = absl::Seconds(30);
  std::variant<IsolateHost, Withdraw, FreezeEvidence, Propose, OpenFlows,
               TryFlows, RunChecks, StartUnit, Watch, Confirm, ReadFence,
               ChangeTrust, GlassNoted, Unreadable>
      what;
};

}  // namespace sluice::agent
