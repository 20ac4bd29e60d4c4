// `sluice go` and `sluice no-go`: one person's decision.

#pragma once

#include <string>

#include "orchestrator/cli/session.h"

namespace sluice::cli {

struct DecideOptions {
  std::string gate;
  bool go = false;
  std::string reason;
  bool yes = false;  // do not ask again
  std::string key;   // the SSH key to sign with; empty: client.yaml's
};

// Fetches the gate, checks that its parts agree with each other, shows it,
// asks, and signs exactly the bytes that were shown with the person's own SSH
// key.
ExitCode Decide(const Terminal& terminal, const Common& common,
                const DecideOptions& options);

}  // namespace sluice::cli
