// Telling the service manager how the fence is.

#pragma once

#include <functional>
#include <string>

#include "agents/core/state.h"

namespace sluice::agent {

// S9: "ready" is said once the kernel was read back and holds what the state
// says, and not before. Until then the status says why, and a host in
// quarantine asks for more time, over and over, so that what starts after the
// fence (the network) goes on waiting for it.
class Readiness {
 public:
  explicit Readiness(std::function<void(const std::string& lines)> tell)
      : tell_(std::move(tell)) {}

  // `problem` as AgentCore::fence_problem() has it.
  void Judge(const std::string& problem, const AgentState& state);

 private:
  const std::function<void(const std::string&)> tell_;
  bool ready_ = false;
  std::string status_;
};

}  // namespace sluice::agent
