// A flow: what a firewall can open. One client range, one server range, one
// protocol, one range of ports, one address family.

#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/prefix.h"

namespace sluice {

enum class Protocol : uint8_t { kTcp, kUdp };

absl::string_view ProtocolName(Protocol protocol);  // "tcp", "udp"

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;

  std::string ToString() const;  // "5432" or "49152-65535"
  friend bool operator==(const PortRange&, const PortRange&) = default;
  friend auto operator<=>(const PortRange&, const PortRange&) = default;
};

struct Flow {
  Protocol protocol = Protocol::kTcp;
  Prefix client;
  Prefix server;  // same family as client
  PortRange ports;

  // The canonical line that digests are made of:
  // "tcp 10.77.0.21 10.77.0.11 5432".
  std::string Line() const;
  // The inverse of Line(); anything else is an error.
  static absl::StatusOr<Flow> Parse(absl::string_view line);

  friend bool operator==(const Flow&, const Flow&) = default;
  friend auto operator<=>(const Flow&, const Flow&) = default;
};

// The digest of a set of flows: of their lines, sorted, without repeats, each
// ended by a newline. Order and repeats in `flows` change nothing.
std::string FlowsDigest(const std::vector<Flow>& flows);

}  // namespace sluice
