// `sluice-agent isolate`: root on a host cuts it off, or a point that its agent
// acts for, whatever the network.

#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "agents/core/agent_core.h"
#include "agents/host/root_command.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

// For the record. `acting` is the host that acts for a point; else empty.
std::string IsolatedByRoot(const HostId& acting);

// Asks the agent that is running, or does it itself when none is. Returns a
// sentence about what the kernel, or the point's driver, says now. `options`
// and `fence` are of whom it is about.
absl::StatusOr<std::string> IsolateNow(
    const CoreOptions& options, const RootTarget& of, Fence& fence,
    const std::function<void(const std::string&)>& log);

// For the running agent: whether IsolateNow() asked for this point. It is taken
// away by that.
bool TakeIsolationRequest(const std::string& state_directory);

}  // namespace sluice::agent
