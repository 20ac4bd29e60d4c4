#include "agents/link/quiet_engine.h"

#include <gmock/gmock.h>
#include <grpc/event_engine/event_engine.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice::agent {
namespace {

namespace ee = grpc_event_engine::experimental;

using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::ElementsAre;

// What ran, in order.
class Ran {
 public:
  void Add(int what) {
    const std::lock_guard lock(mutex_);
    ran_.push_back(what);
    changed_.notify_all();
  }
  std::vector<int> Until(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30),
                      [&] { return ran_.size() >= count; });
    return ran_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> ran_;  // guarded by mutex_
};

class QuietEngine : public ::testing::Test {
 protected:
  QuietEngine() {
    UseQuietEngine();
    engine_ = ee::CreateEventEngine();
  }
  ~QuietEngine() override { ee::EventEngineFactoryReset(); }

  Ran ran_;
  std::shared_ptr<ee::EventEngine> engine_;
};

TEST_F(QuietEngine, RunsInOrderOfTimeAndNotOnTheCallersThread) {
  const std::thread::id caller = std::this_thread::get_id();
  engine_->RunAfter(milliseconds(40), [&] { ran_.Add(3); });
  engine_->RunAfter(milliseconds(20), [&] { ran_.Add(2); });
  engine_->Run(
      [&, caller] { ran_.Add(std::this_thread::get_id() == caller ? 0 : 1); });
  EXPECT_THAT(ran_.Until(3), ElementsAre(1, 2, 3));
  EXPECT_FALSE(engine_->IsWorkerThread());
}

TEST_F(QuietEngine, RunsNothingThatWasCancelled) {
  struct Closure : ee::EventEngine::Closure {
    explicit Closure(Ran* to) : ran(to) {}
    void Run() override { ran->Add(7); }
    Ran* const ran;
  } closure(&ran_);
  const auto far = engine_->RunAfter(hours(1), [&] { ran_.Add(1); });
  const auto near = engine_->RunAfter(milliseconds(30), &closure);
  EXPECT_TRUE(engine_->Cancel(near));
  EXPECT_FALSE(engine_->Cancel(near));
  EXPECT_TRUE(engine_->Cancel(far));
  const auto done = engine_->RunAfter(milliseconds(60), [&] { ran_.Add(2); });
  EXPECT_THAT(ran_.Until(1), ElementsAre(2));
  EXPECT_FALSE(engine_->Cancel(done));
  EXPECT_FALSE(engine_->Cancel({-1, -1}));
}

TEST_F(QuietEngine, WhoAsksForEverWaitsForEver) {
  const auto never =
      engine_->RunAfter(ee::EventEngine::Duration::max(), [&] { ran_.Add(1); });
  engine_->RunAfter(ee::EventEngine::Duration::min(), [&] { ran_.Add(2); });
  EXPECT_THAT(ran_.Until(1), ElementsAre(2));
  EXPECT_TRUE(engine_->Cancel(never));
}

TEST_F(QuietEngine, MayBeLetGoOfByItsOwnTask) {
  // Its end waits for no thread, its own least of all.
  auto* const raw = engine_.get();
  raw->Run([this, engine = std::move(engine_)]() mutable {
    EXPECT_TRUE(engine->IsWorkerThread());
    engine.reset();
    ran_.Add(1);
  });
  EXPECT_THAT(ran_.Until(1), ElementsAre(1));
}

}  // namespace
}  // namespace sluice::agent
