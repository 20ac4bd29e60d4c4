// A host whose agent.yaml cannot be read comes up with its fence all the same:
// from a copy of the file that its agent last started with.
//
// The copy stands beside agent.yaml, since where the state is only agent.yaml
// says. It closes and opens nothing: whom this host believed, and what could
// be started or run on it, may be what somebody was about to take back.

#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/host/config.h"

namespace sluice::agent {

struct StartConfig {
  AgentConfig config;  // AgentConfig::suspended says if it is from the copy
  std::string text;    // what it was read from
};

// Where the copy of the agent.yaml at `path` stands.
std::string KeptConfigPath(const std::string& path);

// The host's own file, or why not.
absl::StatusOr<StartConfig> ReadOwnConfig(const std::string& path);

// The host's own file; where that cannot be read, its copy without anybody who
// is believed and without anything that may be started or run. The error is
// that of agent.yaml, where there is no copy to read either.
absl::StatusOr<StartConfig> ReadStartConfig(const std::string& path);

// Keeps the text of the file at `path` that an agent has started with, of mode
// 0600. Writes nothing when the copy says the same already.
absl::Status KeepConfig(const std::string& path, const std::string& text);

}  // namespace sluice::agent
