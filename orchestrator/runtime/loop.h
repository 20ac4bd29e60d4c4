// The one loop that owns the engine.
//
// A turn takes what waits in the inbox, asks the engine whether people's
// requests can be done (a refusal is answered and leaves no trace), steps the
// engine through the rest, appends all of it to the journal in one
// transaction, and only then lets orders and answers leave (S6).
//
// The disk is never waited for beyond a moment: what is stepped meanwhile is
// the next transaction. An isolation that the disk keeps waiting for longer
// than `isolations_wait` leaves without it, and is answered as "isolated, not
// recorded" (S5).
//
// While the journal cannot be written, or does not answer, what the engine did
// since stays unwritten and is tried again; people are refused; no lease is
// renewed, so flows close by themselves (S3). Isolations alone go on.
//
// Turn() is driven by Driver in the program and by hand in tests; it reads no
// clock and starts no thread.

#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/journal/journal.h"
#include "orchestrator/runtime/allowance.h"
#include "orchestrator/runtime/inbox.h"
#include "orchestrator/runtime/ports.h"
#include "orchestrator/runtime/replay.h"
#include "orchestrator/runtime/writer.h"

namespace sluice::runtime {

struct LoopOptions {
  std::string instance;  // random, one an orchestrator process
  absl::Duration heartbeat = absl::Seconds(1);
  size_t events_a_turn = 1024;
  // How long a turn waits for the disk before it goes on without its answer:
  // a usual commit is over well within.
  absl::Duration turns_wait = absl::Milliseconds(2);
  // How long an isolation waits for the disk before it leaves unrecorded.
  absl::Duration isolations_wait = absl::Milliseconds(100);
  // How long the disk may take before the journal counts as not written.
  absl::Duration disk_hangs = absl::Seconds(2);
};

// Whether the agent of `speaker` may speak for `host`: for its own host, and
// for the points that the manifest in force drives through it.
absl::Status MaySpeakFor(const engine::Engine& engine, const HostId& host,
                         const HostId& speaker);

class Loop {
 public:
  // The ports outlive the loop.
  Loop(Memory memory, Writer* writer, AgentLink* link, OperatorSink* sink,
       LoopOptions options);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Takes the estate over: a reign above every epoch seen, and `plan` (when
  // given) if it is new and no run is active. When that cannot be recorded,
  // Look().journal_problem says so and only isolating works until it can; at
  // a first start it is an error. Returns whether `plan` is in force.
  absl::StatusOr<bool> Begin(std::optional<engine::PlanAdopted> plan,
                             absl::Time now);

  // The way in, from any thread.
  Inbox& inbox() { return inbox_; }

  // One turn. Returns when the next is due at the latest.
  absl::Time Turn(absl::Time now);

  // Of the loop's thread.
  Glimpse Look() const;

 private:
  // An event that was stepped and is not on disk yet.
  struct Unwritten {
    journal::Record record;
    std::vector<engine::Order> orders;
    std::vector<HistoryLine> lines;
    uint64_t epoch = 0;  // after it
    bool left = false;   // its isolations went out unrecorded
  };
  // Who attached, and the record of it: to be welcomed when that is on disk.
  struct Arrival {
    HostId host;
    StreamId stream = 0;
    uint64_t sequence = 0;
  };
  // Somebody to answer when their record is on disk, or cannot be.
  struct Asker {
    std::function<void(const Answer&)> reply;
    uint64_t sequence = 0;
    bool isolation = false;
    std::string message;
  };

  // loop.cc: a turn
  void SetTime(absl::Time now);
  void Step(const engine::Event& event);
  void HearPerson(const FromPerson& request, bool isolation);
  void HearRefusals();
  void TellTime();
  void AnswerAskers();
  void LetReadOn();
  void Heartbeat();
  absl::Time NextTurn() const;

  // loop_agents.cc: who is attached, under which reign
  void HearAgent(FromAgent from);
  void HearWhatWaits();
  void WaitBehind(FromAgent from, std::deque<FromAgent>* waiting);
  void TakeIn(FromAgent from);
  bool IsVoid(FromAgent* from);
  bool IsAttached(const FromAgent& from) const;
  bool IsSlowedDown(const FromAgent& from);
  void Send(const engine::Order& order);
  void HearHello(const FromAgent& from, const engine::AgentConnected& hello);
  void EndWhoMayNotSpeak();
  bool ReignAbove(const engine::AgentConnected& hello);
  void BeginReign(uint64_t epoch);
  void HearLost(const FromAgent& from);
  void WelcomeArrivals();
  void FinishReign();
  engine::Event WithOwnOrderId(const engine::Event& event) const;

  // loop_journal.cc: on disk first, or not at all
  void Write(absl::Duration patience);
  void Settle(absl::Duration patience);
  void Hang();
  void Trouble(absl::string_view why);
  bool IsLate() const;
  void LeaveInOrder(size_t count);
  void Forget(size_t count);
  void LeaveUnrecorded();
  void CatchUp(size_t count);

  const LoopOptions options_;
  Writer* const writer_;
  AgentLink* const link_;
  OperatorSink* const sink_;
  Inbox inbox_;

  Memory memory_;          // memory_.head: of the last stepped event
  journal::Head written_;  // of the last record on disk
  uint64_t written_epoch_ = 0;
  std::deque<Unwritten> unwritten_;
  size_t under_way_ = 0;  // the first of them are being written
  absl::Time began_ = absl::InfinitePast();  // the write under way
  std::vector<Asker> askers_;
  // Streams that read on when what they said is on disk.
  std::vector<std::pair<uint64_t, std::function<void()>>> readers_;

  // While the journal cannot be written.
  std::string problem_;
  absl::Time try_again_ = absl::InfinitePast();
  std::set<engine::OrderId> left_unrecorded_;
  std::set<HostId> lost_meanwhile_;    // not even in memory
  std::set<HostId> reign_unfinished_;  // attached under too low an epoch

  std::map<HostId, StreamId> attached_;
  std::map<HostId, HostId> speakers_;  // of the attached: whose agent speaks
  std::vector<Arrival> arrivals_;  // to be welcomed
  std::set<HostId> welcomed_;      // in this reign
  std::map<HostId, absl::Time> last_reign_for_;
  // What hosts and people may still put into the journal, and what each host
  // that may not at present says next, in order: its stream waits with it.
  std::map<HostId, Allowance> hosts_allowances_;
  std::map<OperatorId, Allowance> peoples_allowances_;
  std::map<HostId, std::deque<FromAgent>> waiting_hosts_;
  std::map<HostId, absl::Time> told_slowed_;

  absl::Time now_ = absl::InfinitePast();
  absl::Duration ahead_;  // of the clock, when the journal's time is later
  absl::Time next_heartbeat_ = absl::InfinitePast();
  uint64_t slice_ = 0;  // of the heartbeats
  absl::Time sink_wants_ = absl::InfiniteFuture();
  uint64_t changes_ = 0;
  std::string next_run_;
};

}  // namespace sluice::runtime
