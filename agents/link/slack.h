// gRPC keeps threads that look at their clocks every second, each at a time of
// its own. Where some lateness does no harm the kernel may wake them together,
// or when the processor is awake anyway.

#pragma once

namespace sluice::agent {

// While one lives, timed waits of this thread may end a second late, and for
// good those of the threads that it starts.
class SlackTimers {
 public:
  SlackTimers();
  ~SlackTimers();
  SlackTimers(const SlackTimers&) = delete;
  SlackTimers& operator=(const SlackTimers&) = delete;

 private:
  const int before_;  // nanoseconds
};

}  // namespace sluice::agent
