#include "agents/core/authority.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agents/core/state.h"
#include "common/decision_text.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxSeats = 100;
// More than any quorum needs; each costs a verification.
constexpr size_t kMaxDecisions = 128;
constexpr size_t kMaxSignatures = 64;

// A person is a key: whoever holds it.
using People = std::map<std::string, std::set<RoleId>>;

// Seats people around the table: each seat wants a role, each person takes at
// most one seat. Augmenting paths (Kuhn) find the most that can be filled.
class Seating {
 public:
  Seating(std::vector<RoleId> seats, const People& people)
      : seats_(std::move(seats)), people_(people) {}

  // The roles of the seats that stay empty.
  std::vector<std::string> Empty() {
    std::vector<std::string> empty;
    for (size_t seat = 0; seat < seats_.size(); ++seat) {
      std::set<std::string> asked;
      if (!Fill(seat, asked)) empty.push_back(seats_[seat].str());
    }
    return empty;
  }

 private:
  bool Fill(size_t seat, std::set<std::string>& asked) {
    for (const auto& [person, roles] : people_) {
      if (!roles.contains(seats_[seat])) continue;
      if (!asked.insert(person).second) continue;
      const auto taken = seat_of_.find(person);
      if (taken == seat_of_.end() || Fill(taken->second, asked)) {
        seat_of_[person] = seat;
        return true;
      }
    }
    return false;
  }

  std::vector<RoleId> seats_;
  const People& people_;
  std::map<std::string, size_t> seat_of_;
};

absl::StatusOr<std::vector<std::string>> EmptySeats(const Quorum& quorum,
                                                    const People& people) {
  std::vector<RoleId> seats;
  for (const auto& [role, count] : quorum) {
    if (count < 0 || static_cast<size_t>(count) > kMaxSeats ||
        seats.size() > kMaxSeats) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the quorum asks for more than the ", kMaxSeats,
          " people this agent counts; ask for fewer in the manifest"));
    }
    seats.insert(seats.end(), static_cast<size_t>(count), role);
  }
  return Seating(std::move(seats), people).Empty();
}

bool AsksNobody(const Quorum& quorum) {
  return std::all_of(quorum.begin(), quorum.end(),
                     [](const auto& entry) { return entry.second <= 0; });
}

// Who started the run may go by another name with the same key.
bool IsStarter(const ReleaseOrder& order, const Approver& approver,
               const Trust& trust) {
  const Approver* starter = trust.Find(order.started_by);
  return approver.id == order.started_by ||
         (starter != nullptr && starter->key == approver.key);
}

absl::Status WantAll(const Quorum& quorum, const People& people,
                     absl::string_view unmet, absl::string_view next,
                     const std::vector<std::string>& faults) {
  const absl::StatusOr<std::vector<std::string>> missing =
      EmptySeats(quorum, people);
  if (!missing.ok()) return missing.status();
  if (missing->empty()) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(unmet, ": missing ", absl::StrJoin(*missing, ", "),
                   faults.empty() ? "" : " (", absl::StrJoin(faults, "; "),
                   faults.empty() ? "" : ")", "; ", next));
}

absl::Status WantAll(const Quorum& quorum, const People& people,
                     const ReleaseOrder& order, absl::string_view whose,
                     const std::vector<std::string>& faults) {
  return WantAll(quorum, people,
                 absl::StrCat("the decisions do not meet ", whose, " of ",
                              order.stage.str()),
                 "ask for them at the gate", faults);
}

// S10: a deputy fills the delegator's seat only while the delegator fills none,
// and stays one person however many they stand in for.
void SeatStandIns(const ReleaseOrder& order, const Trust& trust,
                  People& people) {
  for (const StandIn& one : trust.stand_ins) {
    const Approver* from = trust.Find(one.delegator);
    const Approver* to = trust.Find(one.deputy);
    if (from == nullptr || to == nullptr || from->key == to->key) continue;
    if (people.contains(from->key) || !people.contains(to->key)) continue;
    if (order.no_self_approval && IsStarter(order, *from, trust)) continue;
    for (const RoleId& role : one.roles) {
      if (from->roles.contains(role)) people[to->key].insert(role);
    }
  }
}

}  // namespace

Quorum Trust::MinimumFor(const StageId& stage) const {
  Quorum minimum = quorum;
  const auto more = stages.find(stage);
  if (more == stages.end()) return minimum;
  for (const auto& [role, count] : more->second) {
    minimum[role] = std::max(minimum[role], count);
  }
  return minimum;
}

Quorum Trust::MostMinimum() const {
  Quorum most = quorum;
  for (const auto& [stage, more] : stages) {
    for (const auto& [role, count] : more) {
      most[role] = std::max(most[role], count);
    }
  }
  return most;
}

const Approver* Trust::Find(const OperatorId& id) const {
  for (const Approver& approver : approvers) {
    if (approver.id == id) return &approver;
  }
  return nullptr;
}

absl::Status CheckCanBeReleased(const ReleaseOrder& order, const Trust& trust) {
  if (AsksNobody(order.quorum)) {
    return absl::FailedPreconditionError(
        "the release order asks nobody; only people can release (S2)");
  }
  if (!trust.suspended.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("this host ", trust.suspended));
  }
  if (trust.verifier == nullptr) return absl::OkStatus();
  if (trust.approvers.empty()) {
    return absl::FailedPreconditionError(
        "this host's agent.yaml names no approvers, so nobody can open "
        "anything on it; write them there");
  }
  for (const auto& [role, count] : trust.MinimumFor(order.stage)) {
    const auto asked = order.quorum.find(role);
    const int got = asked == order.quorum.end() ? 0 : asked->second;
    if (got >= count) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("this host's own file wants ", count, " ", role.str(),
                     " at stage ", order.stage.str(), " and the gate asks for ",
                     got, "; raise the gate's approvals in the manifest"));
  }
  People people;
  for (const Approver& approver : trust.approvers) {
    if (order.no_self_approval && IsStarter(order, approver, trust)) continue;
    people[approver.key].insert(approver.roles.begin(), approver.roles.end());
  }
  const absl::StatusOr<std::vector<std::string>> missing =
      EmptySeats(order.quorum, people);
  if (!missing.ok()) return missing.status();
  if (missing->empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "this host's agent.yaml pins nobody who could decide as ",
      absl::StrJoin(*missing, ", "), "; bring its approvers up to date"));
}

namespace {

absl::Status Judge(const ReleaseOrder& order, absl::string_view text,
                   const std::vector<Decision>& decisions, const Trust& trust) {
  if (AsksNobody(order.quorum)) {
    return absl::PermissionDeniedError(
        "the release order asks nobody; only people can release (S2)");
  }
  if (!trust.suspended.empty()) {
    return absl::PermissionDeniedError(
        absl::StrCat("this host ", trust.suspended));
  }
  if (decisions.size() > kMaxDecisions) {
    return absl::InvalidArgumentError(
        absl::StrCat(decisions.size(), " decisions are more than the ",
                     kMaxDecisions, " this agent looks at"));
  }
  const std::string digest = order.Digest();
  People people;
  std::vector<std::string> faults;
  for (const Decision& decision : decisions) {
    const std::string by = OneLine(decision.by.str(), 60);
    if (decision.body_digest != digest) {
      faults.push_back(by + " decided on another text");
      continue;
    }
    if (trust.verifier == nullptr) {
      if (order.no_self_approval && decision.by == order.started_by) continue;
      people[decision.by.str()].insert(decision.roles.begin(),
                                       decision.roles.end());
      continue;
    }
    const Approver* approver = trust.Find(decision.by);
    if (approver == nullptr) {
      faults.push_back(by + " is no approver of this host");
      continue;
    }
    if (order.no_self_approval && IsStarter(order, *approver, trust)) {
      faults.push_back(by + " started the run");
      continue;
    }
    const absl::Status good = trust.verifier->Verify(
        approver->key, signed_as::kDecision, text, decision.signature);
    if (!good.ok()) {
      faults.push_back(absl::StrCat(by, ": ", good.message()));
      continue;
    }
    people[approver->key].insert(approver->roles.begin(),
                                 approver->roles.end());
  }
  SeatStandIns(order, trust, people);
  absl::Status met = WantAll(order.quorum, people, order, "the quorum", faults);
  if (!met.ok() || trust.verifier == nullptr) return met;
  return WantAll(trust.MinimumFor(order.stage), people, order,
                 "this host's own minimum", faults);
}

}  // namespace

absl::Status CheckDecisions(const ReleaseOrder& order,
                            const std::vector<Decision>& decisions,
                            const Trust& trust) {
  return Judge(order, order.Body(), decisions, trust);
}

absl::Status CheckConfirmation(const ReleaseOrder& order,
                               const std::vector<Decision>& decisions,
                               const Trust& trust) {
  return Judge(order, ConfirmText(order.Digest()), decisions, trust);
}

absl::Status CheckRotationSigned(absl::string_view text,
                                 const std::vector<std::string>& signatures,
                                 const Trust& trust) {
  if (!trust.suspended.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("this host ", trust.suspended));
  }
  const Quorum quorum = trust.MostMinimum();
  if (trust.verifier == nullptr || AsksNobody(quorum)) {
    return absl::FailedPreconditionError(
        "this host's agent.yaml pins no minimum quorum, so nobody can say how "
        "many of the old keys are enough; write `quorum:` there as root");
  }
  if (signatures.size() > kMaxSignatures) {
    return absl::InvalidArgumentError(
        absl::StrCat(signatures.size(), " signatures are more than the ",
                     kMaxSignatures, " this agent looks at"));
  }
  People people;
  int strange = 0;
  for (const std::string& signature : signatures) {
    bool known = false;
    for (const Approver& approver : trust.approvers) {
      if (!trust.verifier
               ->Verify(approver.key, signed_as::kRotation, text, signature)
               .ok()) {
        continue;
      }
      known = true;
      people[approver.key].insert(approver.roles.begin(), approver.roles.end());
    }
    if (!known) ++strange;
  }
  std::vector<std::string> faults;
  if (strange > 0) {
    faults.push_back(absl::StrCat(
        strange, strange == 1 ? " signature is" : " signatures are",
        " by nobody whom this host believes now, or over another text"));
  }
  return WantAll(quorum, people,
                 "the signatures are no quorum of the people whom this host "
                 "believes now",
                 "ask them to sign the rotation", faults);
}

}  // namespace sluice::agent
