// `sluice-agent baseline`: what lies on this host now is what should lie there.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "agents/host/config.h"

namespace sluice::agent {

// Where a host's baselines are kept.
std::string BaselineFolder(const AgentConfig& config);

// Takes the baselines that agent.yaml names (`name` alone when it is not
// empty), signs each with the host's evidence key and keeps it. Returns what
// was taken, a line each with its digest: written down elsewhere, it shows
// whether somebody with this host's key took it again.
absl::StatusOr<std::string> TakeBaselines(const AgentConfig& config,
                                          const std::string& name);

}  // namespace sluice::agent
