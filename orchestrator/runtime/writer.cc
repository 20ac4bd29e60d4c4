#include "orchestrator/runtime/writer.h"

#include <algorithm>
#include <utility>

#include "common/contract.h"

namespace sluice::runtime {

// ── on the caller's thread ──────────────────────────────────────────────────

void DirectWriter::Begin(uint64_t expected,
                         std::vector<journal::Record> records,
                         std::function<void()> ended) {
  SLUICE_CHECK(!under_way_.has_value());
  under_way_ = Job{expected, std::move(records), std::move(ended)};
}

std::optional<absl::Status> DirectWriter::Result(absl::Duration) {
  SLUICE_CHECK(under_way_.has_value());
  if (hanging_) return std::nullopt;
  const Job job = *std::exchange(under_way_, std::nullopt);
  return journal_->Append(job.expected, job.records);
}

void DirectWriter::set_hanging(bool hanging) {
  hanging_ = hanging;
  if (!hanging && under_way_.has_value() && under_way_->ended) {
    under_way_->ended();
  }
}

// ── on a thread of its own ──────────────────────────────────────────────────

ThreadWriter::ThreadWriter(journal::Journal* journal)
    : journal_(journal), thread_([this] { Run(); }) {}

ThreadWriter::~ThreadWriter() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    ended_ = nullptr;
  }
  changed_.notify_all();
  thread_.join();
}

void ThreadWriter::Begin(uint64_t expected,
                         std::vector<journal::Record> records,
                         std::function<void()> ended) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    SLUICE_CHECK(state_ == State::kIdle);
    state_ = State::kBegun;
    expected_ = expected;
    records_ = std::move(records);
    ended_ = std::move(ended);
  }
  changed_.notify_all();
}

std::optional<absl::Status> ThreadWriter::Result(absl::Duration patience) {
  std::unique_lock<std::mutex> lock(mutex_);
  SLUICE_CHECK(state_ != State::kIdle);
  const auto done = [this] { return state_ == State::kDone; };
  waited_for_ = true;
  // An infinite time would overflow the clock.
  const bool over = changed_.wait_for(
      lock, absl::ToChronoNanoseconds(std::min(patience, absl::Hours(24))),
      done);
  waited_for_ = false;
  if (!over) return std::nullopt;
  state_ = State::kIdle;
  return std::exchange(status_, absl::OkStatus());
}

void ThreadWriter::Forget() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ended_ = nullptr;
}

void ThreadWriter::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || state_ == State::kBegun; });
    // What was begun is finished, or it would be lost for no reason.
    if (state_ != State::kBegun) return;
    state_ = State::kWriting;
    const uint64_t expected = expected_;
    const std::vector<journal::Record> records = std::move(records_);
    records_.clear();
    lock.unlock();
    absl::Status status = journal_->Append(expected, records);
    lock.lock();
    status_ = std::move(status);
    state_ = State::kDone;
    changed_.notify_all();
    // Under the lock, so that Forget() can promise what it does; it only wakes
    // the loop.
    if (ended_ && !waited_for_) ended_();
    ended_ = nullptr;
  }
}

}  // namespace sluice::runtime
