// The forms that Compose has for ports.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "orchestrator/importers/compose_service.h"

namespace sluice::importers {

// "8080", "8000-8010/udp": a port of the container's. False for what is none.
bool ParseContainerPort(absl::string_view text, ComposePort* out);

// "8080", "80:8080", "127.0.0.1:80:8080/tcp", "[::1]:80:8080", "127.0.0.1::80".
bool ParseShortPort(absl::string_view text, ComposePort* out);

// Whether a published port is reached from other machines: not when it is
// bound to the loopback address.
bool IsLoopback(absl::string_view host_ip);

}  // namespace sluice::importers
