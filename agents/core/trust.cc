#include "agents/core/trust.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/delegation.h"
#include "common/digest.h"
#include "common/fact_lines.h"
#include "common/rotation.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

// Of people whom rotations took out since.
constexpr size_t kMaxDelegators = 1024;

absl::Status Refuse(absl::string_view why) {
  return absl::FailedPreconditionError(why);
}

absl::Status CheckEstate(const EstateId& theirs, const AgentState& state) {
  if (theirs == state.estate) return absl::OkStatus();
  return Refuse(absl::StrCat("it is about estate ", OneLine(theirs.str(), 60),
                             "; this host belongs to ", state.estate.str()));
}

void Replace(const Rotation& rotation, Trust& trust) {
  trust.approvers.clear();
  for (const Rotation::Person& person : rotation.approvers) {
    trust.approvers.push_back(
        {person.id, {person.roles.begin(), person.roles.end()}, person.key});
  }
  trust.quorum = rotation.quorum;
  trust.stages = rotation.stages;
  trust.serial = rotation.serial;
}

absl::StatusOr<std::string> TakeRotation(const ChangeTrust& change,
                                         const Trust& trust,
                                         AgentState& state) {
  SLUICE_ASSIGN_OR_RETURN(const Rotation rotation,
                          Rotation::Parse(change.text));
  SLUICE_RETURN_IF_ERROR(CheckEstate(rotation.estate, state));
  if (!rotation.Names(state.host)) {
    return Refuse(absl::StrCat("rotation ", rotation.serial,
                               " does not name host ", state.host.str()));
  }
  const std::string name = absl::StrCat("rotation ", rotation.serial);
  if (change.text == state.rotation && rotation.serial == trust.serial) {
    return absl::StrCat(name, " is in force here already");
  }
  if (rotation.serial <= trust.serial) {
    return Refuse(absl::StrCat(
        "its serial ", rotation.serial, " is not above ", trust.serial,
        ", the one in force here: an older rotation, or one that was forged; "
        "draft a new one with a higher serial"));
  }
  SLUICE_RETURN_IF_ERROR(
      CheckRotationSigned(change.text, change.signatures, trust));
  state.rotation = change.text;
  // They were given with keys that may not count any more.
  for (auto& [delegator, seen] : state.delegations) seen.spent = true;
  return absl::StrCat(name, " is in force: ", rotation.approvers.size(),
                      " approvers, at least ", QuorumFacts(rotation.quorum));
}

// What the delegator was seen to have said before.
absl::Status CheckNewer(const Delegation& delegation, const AgentState& state) {
  const auto seen = state.delegations.find(delegation.delegator);
  if (seen == state.delegations.end()) {
    if (state.delegations.size() < kMaxDelegators) return absl::OkStatus();
    return Refuse("this host remembers more delegators than it can");
  }
  const absl::StatusOr<Delegation> before =
      Delegation::Parse(seen->second.text);
  if (before.ok() && delegation.from <= before->from) {
    return Refuse(absl::StrCat(
        "this host has seen a delegation by ", delegation.delegator.str(),
        " that is as new, and none begins again",
        seen->second.spent ? " after a reboot or a rotation" : "",
        "; ask them to sign a new one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TakeDelegation(const ChangeTrust& change,
                                           const Trust& trust,
                                           AgentState& state,
                                           absl::Duration now) {
  SLUICE_ASSIGN_OR_RETURN(const Delegation delegation,
                          Delegation::Parse(change.text));
  SLUICE_RETURN_IF_ERROR(CheckEstate(delegation.estate, state));
  const Approver* from = trust.Find(delegation.delegator);
  const Approver* to = trust.Find(delegation.deputy);
  for (const auto& [who, id] :
       {std::pair{from, delegation.delegator}, {to, delegation.deputy}}) {
    if (who != nullptr) continue;
    return Refuse(absl::StrCat(OneLine(id.str(), 60),
                               " is no approver of this host; only its "
                               "approvers stand in for each other"));
  }
  for (const RoleId& role : delegation.roles) {
    if (from->roles.contains(role)) continue;
    return Refuse(absl::StrCat(from->id.str(), " is not ",
                               OneLine(role.str(), 60),
                               " here and cannot give that away"));
  }
  if (trust.verifier == nullptr || change.signatures.size() != 1) {
    return Refuse("a delegation comes with the delegator's one signature");
  }
  const absl::Status good = trust.verifier->Verify(
      from->key, signed_as::kDelegation, change.text, change.signatures[0]);
  if (!good.ok()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "it is not signed by ", from->id.str(), ": ", good.message()));
  }
  const auto seen = state.delegations.find(delegation.delegator);
  if (seen != state.delegations.end() && seen->second.text == change.text &&
      !seen->second.spent) {
    return "this delegation is known here already";
  }
  SLUICE_RETURN_IF_ERROR(CheckNewer(delegation, state));
  state.delegations[delegation.delegator] = {
      .text = change.text, .seen_at = now, .key = Sha256(from->key)};
  if (delegation.roles.empty()) {
    return absl::StrCat("nobody stands in for ", from->id.str(), " any more");
  }
  return absl::StrCat(to->id.str(), " stands in for ", from->id.str(), " for ",
                      absl::FormatDuration(delegation.length()),
                      " on this host's clock");
}

}  // namespace

Trust TrustNow(const Trust& own, const AgentState& state, absl::Duration now) {
  if (!own.suspended.empty()) return own;
  Trust trust = own;
  if (!state.rotation.empty()) {
    const absl::StatusOr<Rotation> rotation = Rotation::Parse(state.rotation);
    if (!rotation.ok()) {
      // It was understood when it was taken: another version of this program
      // wrote it. Nobody is believed rather than the old keys.
      trust.approvers.clear();
    } else if (rotation->serial > own.serial) {
      Replace(*rotation, trust);
    }
  }
  for (const auto& [delegator, seen] : state.delegations) {
    const absl::StatusOr<Delegation> delegation = Delegation::Parse(seen.text);
    if (!delegation.ok() || seen.spent || delegation->roles.empty() ||
        now >= seen.seen_at + delegation->length()) {
      continue;
    }
    const Approver* from = trust.Find(delegation->delegator);
    if (from == nullptr || Sha256(from->key) != seen.key) continue;
    trust.stand_ins.push_back(
        {delegation->delegator,
         delegation->deputy,
         {delegation->roles.begin(), delegation->roles.end()}});
  }
  return trust;
}

absl::StatusOr<std::string> AdmitTrust(const ChangeTrust& change,
                                       const Trust& own, AgentState& state,
                                       absl::Duration now) {
  const Trust trust = TrustNow(own, state, now);
  if (absl::StartsWith(change.text, "sluice rotation ")) {
    return TakeRotation(change, trust, state);
  }
  if (absl::StartsWith(change.text, "sluice delegation ")) {
    return TakeDelegation(change, trust, state, now);
  }
  return absl::InvalidArgumentError(
      "it is neither a rotation nor a delegation that this agent knows");
}

}  // namespace sluice::agent
