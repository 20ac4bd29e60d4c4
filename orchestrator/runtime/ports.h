// What the loop needs from the world, and what others may see of the loop.
// Real twins: system_clock.h here, the rpc room; tests bring their own.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/engine/command.h"
#include "orchestrator/engine/engine.h"

namespace sluice::runtime {

class Durations;
class History;

// Time that only goes forward, as near to the wall's as that allows.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() = 0;
};

// One stream of one agent; a host that attaches again gets a higher one.
using StreamId = uint64_t;

// To the agents. Called on the loop's thread; never blocks. What is sent to a
// host that is not attached is dropped: the engine sends it again when it is.
class AgentLink {
 public:
  virtual ~AgentLink() = default;
  // Before anything else on this stream.
  virtual void Welcome(const HostId& host, StreamId stream, uint64_t epoch) = 0;
  virtual void Send(uint64_t epoch, const engine::Order& order) = 0;
  virtual void Renew(const HostId& host, uint64_t epoch,
                     const std::vector<std::string>& releases) = 0;
  // Ends the stream with a sentence.
  virtual void Refuse(const HostId& host, StreamId stream,
                      const std::string& why) = 0;
};

struct HistoryLine {
  uint64_t sequence = 0;  // 0: not in the journal
  absl::Time at;
  std::string kind;  // engine::Announce's
  std::string who;
  std::string text;

  friend bool operator==(const HistoryLine&, const HistoryLine&) = default;
};

// The loop's state, for whoever looks on the loop's own thread. Nothing of it
// may be kept.
struct Glimpse {
  const engine::Engine& engine;
  const History& history;
  absl::Time now;
  uint64_t sequence;  // of the last record on disk
  const std::string& head;
  const std::string& journal_problem;  // empty: it can be written
  uint64_t changes;  // counts up whenever anything may look different
  const std::string& next_run;  // the name a run started now would have
  const Durations& durations;
  // Encoded texts of the plan in force; nullptr: not kept.
  const std::string* sources = nullptr;
  // Of the plan before it; empty: there was none.
  const std::string* previous_sources = nullptr;
};

// To people. Called on the loop's thread; never blocks.
class OperatorSink {
 public:
  virtual ~OperatorSink() = default;
  // A line of history that is on disk, or (sequence 0) one that cannot be.
  virtual void Announced(const HistoryLine& line) = 0;
  // A turn is over; `glimpse.changes` tells whether anything happened in it.
  // Returns when the sink wants to be called again at the latest.
  virtual absl::Time Turned(const Glimpse& glimpse) = 0;
};

}  // namespace sluice::runtime
