// `sluice-agent doctor`: what quarantine would cut on this host, looked at
// before it does. Reads, and changes nothing.

#pragma once

#include <string>

#include "agents/host/config.h"

namespace sluice::agent {

// A page for people: network storage, cluster peers, remote logins and other
// live connections that the fence would cut, and lines for `vital` in
// agent.yaml. What is management or vital there already is counted as kept.
// Sees only what is connected now. `proc`: "/proc", or a test's.
std::string Doctor(const AgentConfig& config, const std::string& proc);

}  // namespace sluice::agent
