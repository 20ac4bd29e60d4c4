// A delegation: one person's word that another stands in for them for a stated
// time (namespace delegation@sluice, signed with the delegator's own key).
//
//   sluice delegation 1
//   estate city-utility
//   delegator billing-owner
//   deputy duty-commander
//   role system-owner
//   tasks yes
//   from 2026-11-22T02:00:00Z
//   until 2026-11-22T10:00:00Z
//
// `tasks yes` lets the deputy sign the delegator's tasks in those roles, too;
// without the line only the gates are meant, and hosts know of nothing else.
//
// Of one delegator the newest `from` counts, so that a person has one deputy at
// most and takes a delegation back by signing a newer one without roles. Hosts
// have no wall time: they count `until` less `from` on their own clock, from
// when they first saw it (docs/decisions/0009-rotation-and-deputies.md).

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace sluice {

inline constexpr absl::Duration kLongestDelegation = absl::Hours(7 * 24);

struct Delegation {
  EstateId estate;
  OperatorId delegator;
  OperatorId deputy;
  std::vector<RoleId> roles;  // sorted, unique; none: taken back
  bool tasks = false;         // tasks of these roles, too
  absl::Time from;            // whole seconds
  absl::Time until;           // after `from`, within kLongestDelegation

  absl::Duration length() const { return until - from; }

  // The canonical text. REQUIRES: names without spaces, roles sorted, unique.
  std::string Body() const;
  // Refuses what is not byte for byte what Body() writes.
  static absl::StatusOr<Delegation> Parse(absl::string_view body);

  friend bool operator==(const Delegation&, const Delegation&) = default;
};

}  // namespace sluice
