// S2, S10: whether people released a release order. The one place where that
// is judged on a host.

#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agents/core/order.h"
#include "common/release_order.h"
#include "common/signature.h"

namespace sluice::agent {

// Somebody whose decisions count on this host.
struct Approver {
  OperatorId id;
  std::set<RoleId> roles;
  std::string key;  // one line, as in authorized_keys

  friend bool operator==(const Approver&, const Approver&) = default;
};

using Quorum = std::map<RoleId, int>;

// Somebody who stands in for another now (common/delegation.h).
struct StandIn {
  OperatorId delegator;
  OperatorId deputy;
  std::set<RoleId> roles;  // those of them that the delegator has here count
};

// What the host's own file pins: whom it believes, and how many of them it
// wants at least, whatever a gate asks for.
struct Trust {
  std::vector<Approver> approvers;
  Quorum quorum;                     // of every stage
  std::map<StageId, Quorum> stages;  // raises it for single ones, never lowers
  // Of the last rotation that made it; of the host's own file, what it says.
  uint64_t serial = 0;
  std::vector<StandIn> stand_ins;
  // Why nobody is believed here now, whoever stands above; empty: they are.
  std::string suspended;
  // Not owned. Without one nobody is believed to be anybody: decisions count
  // as the orchestrator presents them. Real agents have one.
  const SignatureVerifier* verifier = nullptr;

  // The most of both for each role.
  Quorum MinimumFor(const StageId& stage) const;
  // The most of all stages for each role: what changing this trust takes.
  Quorum MostMinimum() const;
  const Approver* Find(const OperatorId& id) const;
};

// Whether this host could ever be shown decisions that it accepts for the
// order: said before people vote. FailedPrecondition says what to change.
absl::Status CheckCanBeReleased(const ReleaseOrder& order, const Trust& trust);

// OK when the go decisions over exactly this body, each signed with the key
// that is pinned for its person, meet the body's quorum and the host's own
// minimum: one person fills one seat, two names with one key are one person,
// and nobody approves what they started where the gate forbids it. Decisions
// over another body, by others or with other signatures count for nothing; the
// refusal says why. The roles are those pinned here, never those presented.
absl::Status CheckDecisions(const ReleaseOrder& order,
                            const std::vector<Decision>& decisions,
                            const Trust& trust);

// The same for an order that confirms by decision: signatures over its
// ConfirmText(), since those that opened it say nothing of what was seen after.
absl::Status CheckConfirmation(const ReleaseOrder& order,
                               const std::vector<Decision>& decisions,
                               const Trust& trust);

// OK when the people whom `trust` believes signed exactly `text` (namespace
// rotation@sluice) and meet its MostMinimum(): a quorum of the old keys. A host
// that pins no minimum takes no rotation, since nobody could say how many are
// enough.
absl::Status CheckRotationSigned(absl::string_view text,
                                 const std::vector<std::string>& signatures,
                                 const Trust& trust);

}  // namespace sluice::agent
