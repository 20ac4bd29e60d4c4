// The thread that turns the loop.

#pragma once

#include <atomic>
#include <thread>

#include "orchestrator/runtime/loop.h"

namespace sluice::runtime {

class Driver {
 public:
  // Starts turning. `clock` and `loop` outlive the driver.
  Driver(Clock* clock, Loop* loop);
  // Ends after the turn under way.
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

 private:
  void Run();

  Clock* const clock_;
  Loop* const loop_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace sluice::runtime
