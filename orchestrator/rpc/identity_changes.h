// Changes of identities on their way through the loop.

#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "orchestrator/rpc/identity_service.h"
#include "orchestrator/runtime/inbox.h"

namespace sluice::rpc {

using ChangeMaker = std::function<absl::StatusOr<engine::IdentityChanged>(
    const runtime::Glimpse&)>;

// Puts a change into the journal; once it is on disk the gatekeeper knows it,
// streams that may not go on are ended, and only then `done` is called. An
// error at once when nothing waits to be answered.
absl::Status Record(const IdentityParts& parts, ChangeMaker make,
                    std::function<void(const runtime::Answer&)> done);

// The manifest in force has this host and it has an agent of its own.
absl::Status CheckHostIsKnown(const runtime::Glimpse& glimpse,
                              const HostId& host);

}  // namespace sluice::rpc
