// `sluice`: wiring only.

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/private.h"
#include "orchestrator/cli/program.h"
#include "orchestrator/cli/terminal.h"

int main(int argc, char** argv) {
  // Debian's Abseil looks for deadlocks in every lock; see docs/decisions.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // gRPC's own log lines are not for people, unless they ask for them.
  sluice::KeepOutOfCores();
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  // `sluice history | head` ends quietly.
  std::signal(SIGPIPE, SIG_DFL);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return sluice::cli::RunSluice(arguments, sluice::cli::SystemTerminal());
}
