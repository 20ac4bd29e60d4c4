// The site's own notify command: run once for each line that somebody should
// know of, with one JSON object on its standard input (docs/operations.md).
// Never through a shell; nothing of ours in its arguments or environment; one
// at a time, for a bounded time; what does not fit the queue is dropped, since
// the journal has it all. What is not told is said in the status.

#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "orchestrator/runtime/ports.h"

namespace sluice::runtime {

// Runs `argv` with `input` on its standard input and nothing else of ours.
// An error when it cannot be started, fails, or is not done after `timeout`
// (then it is killed with what it started).
absl::Status RunCommand(const std::vector<std::string>& argv,
                        const std::string& input, absl::Duration timeout);

class Notifier {
 public:
  // With an empty `argv` it does nothing.
  Notifier(std::string estate, std::vector<std::string> argv,
           absl::Duration timeout = absl::Seconds(10));
  // Finishes the command that runs; what waits is dropped.
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Any thread; never blocks. Lines about gates, holds, isolations and alarms
  // are told, others are not.
  void Tell(const HistoryLine& line);

  // Any thread. In a sentence: since when nobody could be told, why, and how
  // many lines that was. Empty when the last line was told.
  std::string problem();

 private:
  void Run();
  void NotTold(absl::Time at, absl::string_view why);  // REQUIRES: mutex_

  const std::string estate_;
  const std::vector<std::string> argv_;
  const absl::Duration timeout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Below: guarded by mutex_.
  std::deque<std::string> waiting_;
  bool stop_ = false;
  int not_told_ = 0;  // since the last that was told
  absl::Time not_told_since_;
  std::string why_;
  std::thread thread_;
};

}  // namespace sluice::runtime
