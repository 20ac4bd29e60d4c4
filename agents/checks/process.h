// Running one allow-listed program: no shell, a clean environment, a time
// limit for its whole process group, and bounds on its memory and output.
// Whoever needs more than a check does says so in ProcessOptions.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/checks/stop.h"

namespace sluice::agent {

struct ProcessResult {
  bool timed_out = false;
  bool stopped = false;  // the agent is ending
  int exit_code = -1;    // -1: ended by `signal`
  int signal = 0;
  std::string output;  // standard output and error, at most 64 KiB
  bool output_full = false;
  std::string errors;  // standard error, when it was asked for apart
  // Killed, and it does not end: it waits in the kernel for a file system that
  // does not answer. So many processes do so now, HungProcesses.
  size_t hung = 0;
};

// "; its process hangs …", for the end of a sentence; empty when none does.
std::string HungNote(const ProcessResult& result);

enum class Leftovers {
  kKill,  // all that the program started goes, wherever it went
  kKeep,  // a unit's start script leaves its service running
};

struct UserIds {
  uid_t user = 0;
  gid_t group = 0;
};
// None when this host knows no such user.
std::optional<UserIds> FindUser(const std::string& name);
// As another user it has no capability and gets none back.
std::vector<std::string> AsUser(const std::vector<std::string>& command,
                                const UserIds& ids);

inline constexpr uint64_t kAllCapabilities = ~uint64_t{0};
inline constexpr uint64_t kCheckMemory = uint64_t{1} << 30;

struct ProcessOptions {
  absl::Duration timeout;
  Leftovers leftovers = Leftovers::kKill;
  std::string input;              // on its standard input
  size_t most_output = 64 << 10;  // bytes
  bool errors_apart = false;      // at most 64 KiB, what is beyond is lost
  uint64_t most_memory = kCheckMemory;  // bytes of addresses
  // What it goes on with of the agent's (1 << CAP_…), and with no other ever,
  // whatever it runs in turn.
  uint64_t capabilities = kAllCapabilities;
  absl::Duration grace = absl::Milliseconds(500);  // from asking to killing
  absl::Duration patience = absl::Seconds(5);  // for what was killed to be gone
  // Not to be started beside what hangs already (HungProcesses). What keeps its
  // leftovers is no check, and always is.
  bool bounded = true;
  std::string what;  // as HungProcesses has it; empty: command and input
};

// Blocks until the program ended, or is known to hang in the kernel. An error
// means that it was not started.
// The output is a file in memory, not a pipe: what a service left behind keeps
// writing there does not hurt it, and 64 KiB is all that fits.
absl::StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& argv,
                                         absl::Duration timeout,
                                         Leftovers leftovers, const Stop& stop);
absl::StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& argv,
                                         const ProcessOptions& options,
                                         const Stop& stop);

}  // namespace sluice::agent
