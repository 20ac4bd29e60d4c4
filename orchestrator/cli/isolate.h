// `sluice isolate`: isolate first (S5), and know what is isolated.

#pragma once

#include <string>

#include "absl/time/time.h"
#include "orchestrator/cli/session.h"

namespace sluice::cli {

struct IsolateOptions {
  bool all = false;
  bool run = false;
  std::string system;
  std::string host;
  std::string reason;
  std::string confirmation;  // --confirm NAME
  bool sensor_anew = false;
  absl::Duration wait = absl::Seconds(30);
};

// kDone only when every host's kernel rules have been read back; kPartly when
// some host has not answered within `wait`, cannot be reached, or let its
// sensor go on although it was to begin anew. The order stays in force either
// way. kUsage unless it says what, once.
ExitCode Isolate(const Terminal& terminal, const Common& common,
                 const IsolateOptions& options);

}  // namespace sluice::cli
