// Keeps what the host's network was seen to do: asks the kernel's counters and
// the sockets table while the host is open, writes it down, and tells the
// orchestrator. Never in the way: what fails here is logged and tried again.
//
// Owns one thread. At rest it wakes once a minute; a packet that is told of, or
// another state of the host, wakes it, five seconds after the last time at the
// soonest.

#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/host/sightings.h"

namespace sluice::agent {

// What listens on this host for others, and whose it is.
class ListeningReader {
 public:
  explicit ListeningReader(std::string proc) : proc_(std::move(proc)) {}
  std::vector<Listening> Read();

 private:
  const std::string proc_;
  // Looking through every process is dear: only when a socket is another one.
  std::map<ListenerKey, std::string> inodes_;
  std::vector<Listening> listening_;
};

// Whose the socket is that a packet told of came from, as far as it can still
// be found; a flood is not looked after for ever. One thread.
class SenderLookup {
 public:
  SenderLookup(std::string proc, std::function<absl::Time()> clock)
      : proc_(std::move(proc)), clock_(std::move(clock)) {}
  Process Find(const LoggedPacket& packet);

 private:
  static constexpr double kASecond = 10;
  static constexpr double kAtOnce = 50;

  const std::string proc_;
  const std::function<absl::Time()> clock_;
  double left_ = kAtOnce;
  absl::Time counted_ = absl::InfinitePast();
};

class Observer {
 public:
  struct Ports {
    // The counters of an open host; the table is made when it is missing.
    std::function<absl::StatusOr<ObserveReading>()> read;
    std::function<absl::Status()> stop;  // no table any more
    std::function<std::vector<Listening>()> listening;
    std::function<absl::Status(const std::string& text)> save;
    // Whether it left; false when there is no link.
    std::function<bool(const Observations&)> send;
    std::function<void(const std::string&)> log;
    std::function<absl::Time()> clock;
    absl::Duration every = absl::Minutes(1);
    absl::Duration soonest = absl::Seconds(5);
  };
  // `sightings` outlives it.
  Observer(Sightings* sightings, Ports ports);
  // Reads and writes down once more.
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  // Any thread. The host's state was read back from the kernel.
  void Judged(Mode mode);
  // Any thread. Something was seen, or the link is new (`again`: the
  // orchestrator knows nothing).
  void Wake(bool again = false);

 private:
  void Run();
  void Turn(Mode mode, bool again, bool last);

  Sightings* const sightings_;
  const Ports ports_;
  // thread_ only: what was written down and told last, and when.
  uint64_t saved_ = 0;
  uint64_t saved_news_ = 0;
  uint64_t sent_ = 0;
  uint64_t sent_news_ = 0;
  absl::Time told_at_ = absl::InfinitePast();
  std::string problem_;  // thread_ only: the last that was logged
  bool recording_ = true;  // thread_ only: there may be a table from before

  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Mode> mode_;  // guarded by mutex_; none: not read back yet
  bool awake_ = false;        // guarded by mutex_
  bool again_ = true;         // guarded by mutex_
  bool stopping_ = false;     // guarded by mutex_
  std::thread thread_;
};

}  // namespace sluice::agent
