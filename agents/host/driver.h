// The one loop that owns an agent's core: takes events from the link, the
// workers and the clock, and carries out what the core asks, in order.
//
// The fence answers at once, in this thread. The disk has a thread of its own,
// for it may hang, and then no isolation waits for it (S5); of several states
// that wait for it the newest is written. An order to isolate overtakes all
// that waits.

#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "agents/core/agent_core.h"
#include "agents/core/command.h"
#include "agents/core/event.h"
#include "agents/host/state_store.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

// The world, as the driver needs it.
struct DriverPorts {
  Fence* fence = nullptr;
  StateStore* store = nullptr;
  std::function<absl::Duration()> now;  // since boot
  std::function<void(StartChecks)> start_checks;
  std::function<void(StartTries)> start_tries;
  std::function<void(StartUnitNow)> start_unit;
  std::function<void(const Message&)> send;
  std::function<void(const std::string&)> hang_up;
  std::function<void(const std::string&)> log;
  // After each answer of the fence: why it is not known to be as it should be
  // (empty: it was read back and is), and what it should be.
  std::function<void(const std::string& problem, const AgentState& state)>
      fence_judged = nullptr;
  // What was seen in quarantine besides the fence's counters; null: nothing.
  std::function<SensorNotes()> notes = nullptr;
  // The answer to a ReleasedLocally.
  std::function<void(const TellRoot&)> tell_root = nullptr;
};

// An isolation, which overtakes all that waits.
bool IsUrgent(const Event& event);

class Driver {
 public:
  Driver(CoreOptions options, DriverPorts ports);

  // Loads the state and puts the fence up if it has to be up: done before this
  // returns, and before anything else may run. For `fresh_number` and
  // `audit_every` see Started.
  void Start(const std::string& boot_id, uint64_t fresh_number,
             absl::Duration audit_every = Started().audit_every);

  // From any thread. Orders beyond what the loop can hold are dropped, and the
  // link with them: they come again on the next one. A heartbeat that finds the
  // loop at rest, and asks for nothing, is answered before this returns: waking
  // another thread for it each second would cost as much again.
  void Post(Event event);

  // Ends when the disk has answered. The store outlives the driver.
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Runs until Stop(). The kernel's table stays as it is.
  void Run();
  void Stop();

  // Carries out what waits, and returns when the disk has answered, or has not
  // for a few seconds.
  void Drain();

  // REQUIRES: Run() is not running in another thread.
  const AgentState& state() const { return core_.state(); }

 private:
  static constexpr size_t kMaxOrders = 16384;

  void Step(const Event& event);
  bool Take(Event& event);  // false: nothing waits
  bool IsQuickNow(const Event& event) const;
  // False when the deadline is there.
  bool WaitForEvents(std::unique_lock<std::mutex>& lock);
  void TakeAll();
  void SaveStates();

  void Do(const ChangeFence& command);
  void Do(const SaveState& command);
  void Do(const StartChecks& command) { ports_.start_checks(command); }
  void Do(const StartTries& command) { ports_.start_tries(command); }
  void Do(const StartUnitNow& command) { ports_.start_unit(command); }
  void Do(const Send& command) { ports_.send(command.message); }
  void Do(const HangUp& command) { ports_.hang_up(command.reason); }
  void Do(const TellRoot& command) {
    if (ports_.tell_root) ports_.tell_root(command);
  }
  void Do(const Note& command) { ports_.log(command.text); }

  const DriverPorts ports_;
  AgentCore core_;
  absl::Duration deadline_ = absl::InfiniteDuration();
  std::deque<Event> answers_;  // of the fence

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Event> waiting_;  // guarded by mutex_
  bool overflowed_ = false;    // guarded by mutex_
  bool stopping_ = false;      // guarded by mutex_
  // Run() waits for events, until then. Whoever posts may take the core for one
  // step, and Run() waits for it back.
  bool resting_ = false;       // guarded by mutex_
  bool lent_ = false;          // guarded by mutex_
  bool wanted_ = false;        // Run() waits for it; guarded by mutex_
  absl::Duration rest_until_;  // guarded by mutex_

  std::condition_variable save_;
  std::vector<uint64_t> to_save_;  // requests; guarded by mutex_
  std::string state_text_;         // of the last of them; guarded by mutex_
  bool saving_ = false;            // guarded by mutex_
  bool ending_ = false;            // guarded by mutex_
  std::thread saver_;
};

// CLOCK_BOOTTIME: goes on while the machine sleeps, and never back.
absl::Duration TimeSinceBoot();

// The kernel's name for this boot.
std::string ReadBootId();

}  // namespace sluice::agent
