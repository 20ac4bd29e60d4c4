// What waits for the loop's next turn: bounded lanes, filled by any thread.
//
// Isolations have a lane of their own and come first (S5). An agent's stream
// has one event here at a time and reads on only when it was taken up, so that
// a flooding agent waits for itself alone. One person fills no lane.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/runtime/ports.h"
#include "orchestrator/runtime/refusals.h"

namespace sluice::runtime {

struct FromAgent {
  HostId host;
  StreamId stream = 0;
  engine::Event event;
  std::function<void()> taken_up;  // may be empty
  HostId speaker = {};  // whose agent says it; empty: the host's own
};

// What a person's request came to.
struct Answer {
  absl::Status status;
  uint64_t sequence = 0;  // of its record, when OK
  bool recorded = true;   // false: isolated, not recorded
  std::string message;    // what happened, in words
};

struct FromPerson {
  OperatorId who;
  // Makes the event when its turn comes: gates' rounds, roles and names of
  // runs are of that moment. An error is the answer.
  std::function<absl::StatusOr<engine::Event>(const Glimpse&)> make;
  std::function<void(const Answer&)> reply;
};

using Look = std::function<void(const Glimpse&)>;

struct Batch {
  std::vector<FromPerson> isolations;
  std::vector<FromAgent> agents;
  std::vector<FromPerson> people;
  std::vector<Look> looks;
};

class Inbox {
 public:
  static constexpr size_t kMaxPeople = 256;
  static constexpr size_t kMaxEach = 32;  // of one person, in each lane
  static constexpr size_t kMaxAgents = 100'000;
  static constexpr size_t kMaxLooks = 4096;

  // ResourceExhausted, in a sentence, when the lane is full. The end of a
  // stream always has room: there is one a stream.
  absl::Status Isolate(FromPerson request);
  absl::Status Ask(FromPerson request);
  absl::Status Tell(FromAgent event);
  // `who` may be empty: the program itself.
  absl::Status LookAt(Look look, const OperatorId& who = OperatorId());

  // When isolations wait: these and the looks alone. Otherwise at most `most`
  // events of agents, and everything of people.
  Batch Take(size_t most);

  // Who was refused; the loop's next turn looks for itself.
  Refusals& refusals() { return refusals_; }

  // Until something waits, `timeout` has passed or Wake() was called.
  void Wait(absl::Duration timeout);
  void Wake();

 private:
  // REQUIRES of both: mutex_.
  bool HasWork() const;
  static absl::Status Add(FromPerson request, std::deque<FromPerson>* lane);

  Refusals refusals_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Below: guarded by mutex_.
  std::deque<FromPerson> isolations_;
  std::deque<FromPerson> people_;
  std::deque<FromAgent> agents_;
  std::deque<std::pair<OperatorId, Look>> looks_;
  bool woken_ = false;
};

}  // namespace sluice::runtime
