// A few threads for what blocks: checks, tries, start scripts.
//
// Work waits in order when all threads of its lane are busy. A check can hold
// a thread for as long as its own time and attempts allow; those that wait for
// other processes, which dead mounts can hold, have a lane of their own, so
// that the rest does not wait for them.

#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "agents/checks/check.h"
#include "agents/checks/stop.h"
#include "agents/core/command.h"
#include "agents/core/event.h"

namespace sluice::agent {

class Workers {
 public:
  struct Options {
    CheckContext context;
    std::map<std::string, std::vector<std::string>> units;  // start argv
    int threads = 8;  // at most; made when needed
    int apart = 10;   // the same, for checks that wait for other processes
  };

  // `done` is called from any of the threads, one event a command.
  Workers(Options options, std::function<void(Event)> done);
  // Ends what runs: process groups are killed, connections dropped.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Checks of one command run side by side.
  void Start(StartChecks command);
  void Start(StartTries command);
  void Start(StartUnitNow command);

 private:
  using Task = std::function<void()>;

  struct Lane {
    int most = 0;  // threads
    std::condition_variable wake;
    std::deque<Task> tasks;
    std::vector<std::thread> threads;
    int idle = 0;
  };

  void Add(Lane& lane, Task task);
  void Run(Lane& lane);

  const Options options_;
  const std::function<void(Event)> done_;
  Stop stop_;

  std::mutex mutex_;
  Lane here_;  // guarded by mutex_, as all below
  Lane apart_;
  bool stopping_ = false;
};

}  // namespace sluice::agent
