// `sluice-agent isolate`: root on a host cuts it off, whatever the network.

#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "agents/core/agent_core.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

inline constexpr char kIsolatedByRoot[] =
    "root on this host isolated it (sluice-agent isolate)";

// Asks the agent that is running, or does it itself when none is. Returns a
// sentence about what the kernel holds now.
absl::StatusOr<std::string> IsolateNow(
    const CoreOptions& options, const std::string& state_directory,
    Fence& fence, const std::function<void(const std::string&)>& log);

}  // namespace sluice::agent
