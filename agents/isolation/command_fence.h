// The fence of a point that runs no agent: a driver, a program that the acting
// agent's own file names, opens and closes there.
//
// Each call of the program is one verb, one JSON object in and one out
// (docs/operations.md): `isolate`, `open` and `close` change the point, `read`
// says what it lets pass. A change counts only when `read` agrees afterwards,
// flow by flow: what the program says of itself is worth nothing (S9).
//
// As a rule the point holds no timer: leases are kept here, in memory, and
// closed by whoever calls Read() after they ran out, while this process lives
// (grade "driven"). A driver whose point closes by itself says so
// (`holds_leases`); then each `open` carries its lease, and is repeated to
// renew it. One thread at a time, Interrupt() aside.

#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agents/isolation/fence.h"
#include "common/ids.h"
#include "common/prefix.h"

namespace sluice::agent {

class DriverProgram {
 public:
  virtual ~DriverProgram() = default;
  // Runs the driver with `input` on its standard input, and returns what it
  // wrote to its standard output. An error ends the sentence "the driver, asked
  // to 'open', …": could not run, hung, crashed, wrote too much, ended with
  // another code than 0; Cancelled when it was interrupted.
  virtual absl::StatusOr<std::string> Run(const std::string& input) = 0;
  // From any thread: ends the Run() under way in another, if any.
  virtual void Interrupt() = 0;
};

class CommandFence : public Fence {
 public:
  struct Options {
    HostId point;
    std::vector<Prefix> addresses;  // of the point
    // Since boot.
    std::function<absl::Duration()> now;
  };

  // `program` outlives the fence.
  CommandFence(Options options, DriverProgram* program)
      : options_(std::move(options)), program_(program) {}

  absl::StatusOr<FenceReading> Replace(const FenceRules& rules) override;
  absl::StatusOr<FenceReading> Open(const std::string& digest,
                                    absl::Duration lease,
                                    const std::vector<Flow>& flows) override;
  absl::StatusOr<FenceReading> Remove(const std::string& digest,
                                      const std::vector<Flow>& flows) override;
  absl::Status Renew(
      const std::map<std::string, absl::Duration>& leases) override;
  absl::StatusOr<FenceReading> Confirm(const std::string& digest,
                                       const std::vector<Flow>& flows) override;
  absl::StatusOr<FenceReading> Read() override;

  // From any thread: an isolation waits (S5). Whatever the driver is doing but
  // for closing is given up.
  void Interrupt();

 private:
  struct Held {
    absl::Duration until;
    std::set<Flow> flows;
    bool closed = false;  // at the point, after the lease ran out
  };
  // What the point said.
  struct Point {
    bool isolated = false;
    bool cuts_sessions = false;
    bool holds_leases = false;
    std::set<Flow> flows;
  };

  bool IsLive(const Held& held) const;
  std::set<Flow> Wanted() const;
  absl::StatusOr<std::string> Call(const std::string& verb,
                                   const std::set<Flow>& flows,
                                   absl::Duration lease);
  // `lease`: of what opens; zero: it stands.
  absl::Status Change(const std::string& verb, const std::set<Flow>& flows,
                      absl::Duration lease = absl::ZeroDuration());
  absl::StatusOr<Point> Ask();
  // The point as it is, when it is as it should be.
  absl::StatusOr<FenceReading> Verified(const std::string& verb);
  absl::Status CloseWhatRanOut();
  FenceReading ReadingOf(const Point& point) const;
  absl::StatusOr<FenceReading> Undone(const absl::Status& why,
                                      const std::set<Flow>& opened);

  const Options options_;
  DriverProgram* const program_;
  Mode mode_ = Mode::kOpen;
  std::set<Flow> management_;
  std::set<Flow> vital_;
  std::set<Flow> standing_;
  std::map<std::string, Held> releases_;
  bool holds_leases_ = false;  // the point does, as it said last
  bool closes_ = false;  // what is under way is not to be given up

  std::mutex mutex_;
  bool interruptible_ = false;  // guarded by mutex_
};

}  // namespace sluice::agent
