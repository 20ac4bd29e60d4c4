// Ctrl-C while a stream is being read: ends the stream, not the program, so
// that the terminal is put right and the last word is ours.

#pragma once

#include <functional>
#include <thread>

namespace sluice::cli {

class Interrupt {
 public:
  // `on_interrupt` runs on a thread of its own at SIGINT, SIGTERM or SIGHUP.
  // One Interrupt at a time.
  explicit Interrupt(std::function<void()> on_interrupt);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

 private:
  int pipe_[2] = {-1, -1};
  std::thread thread_;
};

}  // namespace sluice::cli
