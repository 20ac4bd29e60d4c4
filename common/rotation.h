// A rotation: the text by which people give hosts new keys and a new minimum
// quorum in place of those they pin. It counts on a host when a quorum of the
// people that the host believes *now* signed exactly these bytes (namespace
// rotation@sluice), whoever delivers it.
//
//   sluice rotation 1
//   estate city-utility
//   serial 2
//   host app-1
//   host db-1
//   approver billing-owner roles=system-owner key=ssh-ed25519 AAAA…
//   approver duty-commander roles=incident-commander,security key=…
//   quorum incident-commander=1
//   quorum-at outside security=1
//
// Hosts, approvers, roles and stages are sorted and stand once each. The serial
// only grows on a host: what its own file says is 0.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"

namespace sluice {

struct Rotation {
  struct Person {
    OperatorId id;
    std::vector<RoleId> roles;  // sorted, unique, at least one
    std::string key;            // "TYPE BASE64", as SshPublicKey::Line()

    friend bool operator==(const Person&, const Person&) = default;
  };
  EstateId estate;
  uint64_t serial = 0;            // from 1
  std::vector<HostId> hosts;      // at least one
  std::vector<Person> approvers;  // at least one
  std::map<RoleId, int> quorum;   // the new minimum at every stage; not empty
  std::map<StageId, std::map<RoleId, int>> stages;  // raises it at single ones

  // The canonical text. REQUIRES: names without spaces, commas or control
  // characters; lists sorted and unique.
  std::string Body() const;
  bool Names(const HostId& host) const;

  // Refuses what is not byte for byte what Body() writes, texts over 1 MiB,
  // keys that this program does not accept, and a minimum that the new
  // approvers could never meet: it would close the hosts for good.
  static absl::StatusOr<Rotation> Parse(absl::string_view body);

  friend bool operator==(const Rotation&, const Rotation&) = default;
};

}  // namespace sluice
