// The one loop that owns the engine.
//
// A turn takes what waits in the inbox, asks the engine whether people's
// requests can be done (a refusal is answered and leaves no trace), steps the
// engine through the rest, appends all of it to the journal in one
// transaction, and only then lets orders and answers leave (S6).
//
// While the journal cannot be written, what the engine did since stays
// unwritten and is tried again; people are refused; no lease is renewed, so
// flows close by themselves (S3). Isolations alone go on: they are carried out
// and answered as "isolated, not recorded" (S5).
//
// Turn() is driven by Driver in the program and by hand in tests; it reads no
// clock and starts no thread.

#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/journal/journal.h"
#include "orchestrator/runtime/inbox.h"
#include "orchestrator/runtime/ports.h"
#include "orchestrator/runtime/replay.h"

namespace sluice::runtime {

struct LoopOptions {
  std::string instance;  // random, one an orchestrator process
  absl::Duration heartbeat = absl::Seconds(1);
  size_t events_a_turn = 1024;
};

class Loop {
 public:
  // The ports outlive the loop.
  Loop(Memory memory, journal::Journal* journal, AgentLink* link,
       OperatorSink* sink, LoopOptions options);
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
    bool left = false;  // its isolations went out unrecorded
  };
  // Somebody to answer when the turn is over.
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
  void TellTime();
  void AnswerAskers(bool written);
  void Heartbeat();
  absl::Time NextTurn() const;

  // loop_agents.cc: who is attached, under which reign
  void HearAgent(const FromAgent& from);
  void HearHello(const FromAgent& from, const engine::AgentConnected& hello);
  bool ReignAbove(const engine::AgentConnected& hello);
  void BeginReign(uint64_t epoch);
  void HearLost(const FromAgent& from);
  void WelcomeArrivals();
  engine::Event WithOwnOrderId(const engine::Event& event) const;

  // loop_journal.cc: on disk first, or not at all
  bool Write();
  void TryAgain();
  void LeaveInOrder();
  void LeaveUnrecorded();
  void CatchUp();

  const LoopOptions options_;
  journal::Journal* const journal_;
  AgentLink* const link_;
  OperatorSink* const sink_;
  Inbox inbox_;

  Memory memory_;          // memory_.head: of the last stepped event
  journal::Head written_;  // of the last record on disk
  uint64_t written_epoch_ = 0;
  std::vector<Unwritten> unwritten_;
  std::vector<Asker> askers_;

  // While the journal cannot be written.
  std::string problem_;
  absl::Time try_again_ = absl::InfinitePast();
  std::set<engine::OrderId> left_unrecorded_;
  std::set<HostId> lost_meanwhile_;    // not even in memory
  std::set<HostId> reign_unfinished_;  // attached under too low an epoch

  std::map<HostId, StreamId> attached_;
  std::vector<std::pair<HostId, StreamId>> arrivals_;  // to be welcomed
  std::set<HostId> welcomed_;                          // in this reign
  std::map<HostId, absl::Time> last_reign_for_;

  absl::Time now_ = absl::InfinitePast();
  absl::Duration ahead_;  // of the clock, when the journal's time is later
  absl::Time next_heartbeat_ = absl::InfinitePast();
  absl::Time sink_wants_ = absl::InfiniteFuture();
  uint64_t changes_ = 0;
  std::string next_run_;
};

}  // namespace sluice::runtime
