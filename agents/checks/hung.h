// Processes that were killed and do not end: each waits in the kernel for a
// file system that does not answer. Nobody can end them, so nobody waits for
// them; they are counted, and beyond a number no further check is started that
// could become one. Thread-safe.

#pragma once

#include <sys/types.h>

#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace sluice::agent {

class HungProcesses {
 public:
  static constexpr size_t kMost = 10;

  // Of this program.
  static HungProcesses& Here();

  HungProcesses() = default;
  ~HungProcesses();
  HungProcesses(const HungProcesses&) = delete;
  HungProcesses& operator=(const HungProcesses&) = delete;

  // Whether another process may be started for `what`. ResourceExhausted, in a
  // sentence for people: one for the same hangs yet, or kMost do.
  absl::Status MayStart(const std::string& what);

  // `pidfds` are of killed processes and are its own from now on; those that
  // have ended meanwhile do not count. `where` is for people: the path or the
  // program that does not answer. `child`: the one process is this program's
  // own child and has to be reaped; 0: they are somebody else's.
  void Add(const std::string& what, const std::string& where,
           const std::vector<int>& pidfds, pid_t child = 0);

  // How many hang now.
  size_t Count();

 private:
  struct One {
    std::string what;
    std::string where;
    int pidfd = -1;
    pid_t child = 0;
  };

  void ForgetEnded();  // REQUIRES: mutex_ is held

  std::mutex mutex_;
  std::vector<One> hung_;  // guarded by mutex_
};

}  // namespace sluice::agent
