// What root's own commands on a host (`isolate`, `release`) share: they have
// the agent do it, or hold its state and are the agent for a moment.

#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/host/config.h"
#include "agents/host/driver.h"
#include "agents/host/state_store.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

// Whom a command is about: this host, or a point that its agent acts for.
struct RootTarget {
  HostId host;
  std::string state;                   // its directory
  bool driven = false;                 // it is such a point
  absl::Duration driver_timeout = {};  // of one call
};
// NotFound when agent.yaml names no such point. Empty: the host.
absl::StatusOr<RootTarget> FindRootTarget(const AgentConfig& config,
                                          const std::string& point);

// How long the agent may take to answer. A driver has its time for each call.
absl::Duration PatienceFor(const RootTarget& target);

// How the agent is asked.
struct RootRequest {
  int signal = 0;  // by which it is told
  absl::Duration patience = absl::Seconds(10);
  // Before it is told.
  std::function<absl::Status()> prepare;
  // What it answered; none: nothing yet.
  std::function<std::optional<absl::StatusOr<std::string>>()> answer;
  // What to say when it has not answered within `patience`.
  std::function<absl::StatusOr<std::string>(pid_t agent,
                                            absl::Duration patience)>
      late;
};

// The answer of the agent that runs here, or, when none does, the state, which
// is the caller's now. Who holds the state and gives it back without an answer
// was another command: its turn is waited for.
absl::StatusOr<std::variant<std::string, FileStateStore>> AskOrHold(
    const std::string& state_directory, const RootRequest& request);

// A world of the fence and the state alone: no checks, no link.
DriverPorts AlonePorts(Fence& fence, StateStore& store,
                       std::function<void(const std::string&)> log);

}  // namespace sluice::agent
