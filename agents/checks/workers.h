// A few threads for what blocks: checks, tries, start scripts.
//
// Work waits in order when all threads are busy. A check can hold a thread for
// as long as its own time and attempts allow.

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

  void Add(Task task);
  void Run();

  const Options options_;
  const std::function<void(Event)> done_;
  Stop stop_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;            // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
  int idle_ = 0;                      // guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
};

}  // namespace sluice::agent
