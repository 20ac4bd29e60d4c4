// One TCP connection, within a time.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "agents/checks/stop.h"
#include "common/prefix.h"

namespace sluice::agent {

// 0: connected; `fd` is the caller's to close, and does not block. ETIMEDOUT,
// ECONNREFUSED, EHOSTUNREACH, … otherwise; ECANCELED when the agent is ending.
// `from`: the client's address.
int Connect(const std::optional<Prefix>& from, const Prefix& to, uint16_t port,
            absl::Duration timeout, const Stop& stop, int& fd);

// The same, closed again.
int TryConnect(const std::optional<Prefix>& from, const Prefix& to,
               uint16_t port, absl::Duration timeout, const Stop& stop);

// What such an error means, in a few words for people.
std::string ConnectError(int error);

// "10.77.0.11:5432", "[fd77::11]:5432".
std::string Endpoint(const Prefix& address, uint16_t port);

}  // namespace sluice::agent
