// The kernel's memory of connections (conntrack), and making it forget.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "common/flow.h"

namespace sluice::agent {

// IPv4 uses the first four bytes.
using AddressBytes = std::array<uint8_t, 16>;

struct Connection {
  Family family = Family::kIpv4;
  uint8_t protocol = 0;  // IPPROTO_TCP, …
  AddressBytes client{};
  AddressBytes server{};
  uint16_t server_port = 0;  // 0: a protocol without ports
  // The same as the network outside sees it after NAT.
  AddressBytes outside_client{};
  AddressBytes outside_server{};
  uint16_t outside_port = 0;
  // TCP, and the kernel did not see it begin: it met it in the middle.
  bool picked_up = false;
};

// Many flows, asked often whether they admit a connection.
class Admission {
 public:
  explicit Admission(const std::vector<Flow>& flows);

  bool Admits(const Connection& connection) const {
    return Admits(connection.family, connection.protocol, connection.client,
                  connection.server, connection.server_port);
  }
  // As seen outside: guests behind this host's address.
  bool AdmitsOutside(const Connection& connection) const {
    return Admits(connection.family, connection.protocol,
                  connection.outside_client, connection.outside_server,
                  connection.outside_port);
  }

 private:
  using Exact =
      std::tuple<Family, uint8_t, AddressBytes, AddressBytes, uint16_t>;

  bool Admits(Family family, uint8_t protocol, const AddressBytes& client,
              const AddressBytes& server, uint16_t port) const;

  std::set<Exact> exact_;
  std::vector<Flow> wide_;
};

// This host's own addresses, for telling its talk with itself.
absl::StatusOr<std::set<AddressBytes>> LocalAddresses();

// Deletes every connection that `keep` does not want. Needs CAP_NET_ADMIN.
// Reading costs the size of the kernel's table, however little is in it: about
// 10 ms where it has 262,144 buckets. Those that are deleted, a few hundred in
// one call to the kernel, cost about 3 µs each.
absl::Status ForgetConnections(
    const std::function<bool(const Connection&)>& keep);

// Deletes all of them, ten times faster.
absl::Status ForgetAllConnections();

}  // namespace sluice::agent
