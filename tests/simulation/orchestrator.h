// A machine with an orchestrator: the real loop, engine and codec over a
// journal on a simulated disk. The process can die at any step: before and
// after an append, and between two orders that leave.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/journal/memory_journal.h"
#include "orchestrator/runtime/loop.h"
#include "orchestrator/runtime/writer.h"
#include "tests/simulation/agenda.h"
#include "tests/simulation/network.h"
#include "tests/simulation/random.h"

namespace sluice::simulation {

class World;

// Thrown by a port where the process dies; nothing of the loop is used after.
struct ProcessDied {};

class JournalDisk : public journal::Journal {
 public:
  JournalDisk(World& world, const class Orchestrator& owner)
      : world_(world), owner_(owner) {}

  absl::Status Append(uint64_t expected,
                      absl::Span<const journal::Record> records) override;
  absl::StatusOr<std::vector<journal::Record>> Read(uint64_t sequence,
                                                    size_t limit) override {
    return memory.Read(sequence, limit);
  }
  uint64_t last() const;

  journal::MemoryJournal memory;
  bool torn = false;  // until a copy is put back
  enum class Die : uint8_t { kNo, kBefore, kAfter };
  Die die = Die::kNo;  // at the next append

 private:
  World& world_;
  const class Orchestrator& owner_;
};

class Orchestrator : public Peer,
                     private runtime::AgentLink,
                     private runtime::OperatorSink {
 public:
  Orchestrator(World& world, int number, uint64_t seed);
  ~Orchestrator() override;

  // From its journal alone. False: it stopped with a sentence (problem()).
  bool Start();
  void Die();
  bool running() const { return loop_ != nullptr; }
  const std::string& problem() const { return problem_; }

  // People. `isolation`: in the lane that overtakes.
  void Ask(engine::Event event, bool isolation);
  // At the end of the turn that takes it up.
  void Look(runtime::Look look);

  // ── Peer ──────────────────────────────────────────────────────────────────
  bool Listens() const override { return running(); }
  void Greeted(const HostId& host, uint64_t stream,
               const agent::Message& hello) override;
  void Said(const HostId& host, uint64_t stream,
            const agent::Message& message) override;
  void Ended(const HostId& host, uint64_t stream,
             const std::string& why) override;

  // ── to look at ────────────────────────────────────────────────────────────
  int number() const { return number_; }
  const std::string& instance() const { return instance_; }
  JournalDisk& disk() { return disk_; }
  const JournalDisk& disk() const { return disk_; }
  runtime::DirectWriter& writer() { return *writer_; }
  // On its present stream it was welcomed.
  bool Attached(const HostId& host) const {
    const auto at = streams_.find(host);
    return at != streams_.end() && at->second.welcomed;
  }
  absl::Time Now() const;
  runtime::Loop* loop() { return loop_.get(); }

  // ── what faults turn ──────────────────────────────────────────────────────
  absl::Duration wall_error;  // of the wall clock it starts with
  bool disk_hangs = false;
  void SetHanging(bool hanging);
  double rate = 1.0;
  int die_after_sends = 0;  // orders that still leave before it dies
  absl::Time frozen_until = absl::InfinitePast();  // the process stands still

 private:
  void Welcome(const HostId& host, runtime::StreamId stream,
               uint64_t epoch) override;
  void Send(uint64_t epoch, const engine::Order& order) override;
  void Renew(const HostId& host, uint64_t epoch,
             const std::vector<std::string>& releases) override;
  void Refuse(const HostId& host, runtime::StreamId stream,
              const std::string& why) override;
  void Announced(const runtime::HistoryLine& line) override;
  absl::Time Turned(const runtime::Glimpse& glimpse) override;

  void Tell(const HostId& host, uint64_t stream, engine::Event event);
  void TellOfHands(const runtime::Glimpse& glimpse);
  void TurnBy(absl::Time when);
  void Turn();

  World& world_;
  const int number_;
  Random random_;
  JournalDisk disk_;
  std::unique_ptr<runtime::DirectWriter> writer_;
  std::unique_ptr<runtime::Loop> loop_;
  std::string problem_;
  std::string instance_;
  int starts_ = 0;
  uint64_t life_ = 0;
  DriftingClock clock_;
  absl::Time next_turn_ = absl::InfiniteFuture();
  struct Attachment {
    uint64_t stream = 0;
    bool welcomed = false;
    uint64_t renewals = 0;
  };
  std::map<HostId, Attachment> streams_;
  std::set<std::string> shown_;  // bodies, by digest
};

}  // namespace sluice::simulation
