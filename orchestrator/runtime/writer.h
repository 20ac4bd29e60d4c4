// Puts records on disk without the loop having to wait for the disk.
//
// A disk that fails says so; one that hangs says nothing, perhaps for hours.
// The loop must go on turning then, for isolations and for whoever looks (S5).

#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "orchestrator/journal/journal.h"

namespace sluice::runtime {

class Writer {
 public:
  virtual ~Writer() = default;

  // Begins to append `records`, all or none; `expected` is the sequence of the
  // first. `ended` is called on any thread when it is over and nobody waits in
  // Result() for it. REQUIRES: nothing is under way.
  virtual void Begin(uint64_t expected, std::vector<journal::Record> records,
                     std::function<void()> ended) = 0;

  // What it came to, waiting `patience` for it; nothing while it is under way.
  // REQUIRES: begun, and its result not taken yet.
  virtual std::optional<absl::Status> Result(absl::Duration patience) = 0;

  // Nobody is to be told any more: `ended` is not called after this returns.
  virtual void Forget() = 0;
};

// Appends on the caller's thread, when it is asked for the result: for tests,
// the simulator and tools. Told to hang, it has no result until told to go on.
class DirectWriter : public Writer {
 public:
  explicit DirectWriter(journal::Journal* journal) : journal_(journal) {}

  void Begin(uint64_t expected, std::vector<journal::Record> records,
             std::function<void()> ended) override;
  std::optional<absl::Status> Result(absl::Duration patience) override;
  void Forget() override { under_way_.reset(); }

  void set_hanging(bool hanging);
  // Records are on their way to a disk that does not answer. After a crash
  // they are there or not: the simulator chooses by appending them, or not.
  bool under_way() const { return under_way_.has_value(); }

 private:
  struct Job {
    uint64_t expected = 0;
    std::vector<journal::Record> records;
    std::function<void()> ended;
  };
  journal::Journal* const journal_;
  std::optional<Job> under_way_;
  bool hanging_ = false;
};

// Appends on a thread of its own. The journal is that thread's alone while
// something is under way.
class ThreadWriter : public Writer {
 public:
  explicit ThreadWriter(journal::Journal* journal);
  // Waits for what is under way: the journal outlives this.
  ~ThreadWriter() override;
  ThreadWriter(const ThreadWriter&) = delete;
  ThreadWriter& operator=(const ThreadWriter&) = delete;

  void Begin(uint64_t expected, std::vector<journal::Record> records,
             std::function<void()> ended) override;
  std::optional<absl::Status> Result(absl::Duration patience) override;
  void Forget() override;

 private:
  enum class State { kIdle, kBegun, kWriting, kDone };
  void Run();

  journal::Journal* const journal_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Below: guarded by mutex_.
  State state_ = State::kIdle;
  bool stop_ = false;
  bool waited_for_ = false;
  uint64_t expected_ = 0;
  std::vector<journal::Record> records_;
  std::function<void()> ended_;
  absl::Status status_;
  std::thread thread_;
};

}  // namespace sluice::runtime
