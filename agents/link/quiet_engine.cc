#include "agents/link/quiet_engine.h"

#include <grpc/event_engine/event_engine.h>
#include <grpc/grpc.h>
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

namespace sluice::agent {
namespace {

namespace ee = grpc_event_engine::experimental;

using Clock = std::chrono::steady_clock;
using Task = absl::AnyInvocable<void()>;

// What waits, and the thread that runs it in order of time.
class Tasks {
 public:
  // Returns its name.
  intptr_t Add(Clock::time_point when, Task task) {
    const std::lock_guard lock(mutex_);
    const intptr_t id = ++last_id_;
    const bool first = waiting_.empty() || when < waiting_.begin()->first.first;
    waiting_.emplace(std::pair(when, id), std::move(task));
    times_[id] = when;
    if (first) changed_.notify_one();
    return id;
  }

  // False when it ran, runs, or never was.
  bool Remove(intptr_t id) {
    Task task;  // destroyed without the lock: it may own what calls back
    const std::lock_guard lock(mutex_);
    const auto time = times_.find(id);
    if (time == times_.end()) return false;
    const auto at = waiting_.find({time->second, id});
    task = std::move(at->second);
    waiting_.erase(at);
    times_.erase(time);
    return true;
  }

  void End() {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_one();
  }

  void Run() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
      if (waiting_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto first = waiting_.begin();
      const Clock::time_point when = first->first.first;
      if (Clock::now() < when) {
        changed_.wait_until(lock, when);
        continue;
      }
      Task task = std::move(first->second);
      times_.erase(first->first.second);
      waiting_.erase(first);
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<Clock::time_point, intptr_t>, Task> waiting_;
  std::map<intptr_t, Clock::time_point> times_;  // of what waits
  intptr_t last_id_ = 0;
  bool ending_ = false;
};

// Sockets and names are looked after by gRPC itself, in the version we use.
class QuietEngine : public ee::EventEngine {
 public:
  QuietEngine()
      : tasks_(std::make_shared<Tasks>()),
        thread_([tasks = tasks_] { tasks->Run(); }) {}

  ~QuietEngine() override {
    tasks_->End();
    // The last to let go of it may be a task.
    if (IsWorkerThread()) {
      thread_.detach();
    } else {
      thread_.join();
    }
  }

  bool IsWorkerThread() override {
    return std::this_thread::get_id() == thread_.get_id();
  }

  void Run(Closure* closure) override {
    Run([closure] { closure->Run(); });
  }
  void Run(Task task) override { tasks_->Add(Clock::now(), std::move(task)); }
  TaskHandle RunAfter(Duration when, Closure* closure) override {
    return RunAfter(when, [closure] { closure->Run(); });
  }
  TaskHandle RunAfter(Duration when, Task task) override {
    const Duration longest = std::chrono::hours(24 * 365);
    const Duration wait = std::clamp(when, Duration::zero(), longest);
    return {tasks_->Add(Clock::now() + wait, std::move(task)), kOurs};
  }
  bool Cancel(TaskHandle handle) override {
    return handle.keys[1] == kOurs && tasks_->Remove(handle.keys[0]);
  }

  absl::StatusOr<std::unique_ptr<Listener>> CreateListener(
      Listener::AcceptCallback, absl::AnyInvocable<void(absl::Status)>,
      const ee::EndpointConfig&,
      std::unique_ptr<ee::MemoryAllocatorFactory>) override {
    return absl::UnimplementedError("this engine has no sockets");
  }
  ConnectionHandle Connect(OnConnectCallback on_connect, const ResolvedAddress&,
                           const ee::EndpointConfig&, ee::MemoryAllocator,
                           Duration) override {
    Run([on_connect = std::move(on_connect)]() mutable {
      on_connect(absl::UnimplementedError("this engine has no sockets"));
    });
    return {-1, -1};
  }
  bool CancelConnect(ConnectionHandle) override { return false; }
  std::unique_ptr<DNSResolver> GetDNSResolver(
      const DNSResolver::ResolverOptions&) override {
    return nullptr;
  }

 private:
  static constexpr intptr_t kOurs = 1;

  const std::shared_ptr<Tasks> tasks_;
  std::thread thread_;
};

}  // namespace

void UseQuietEngine() {
  // Every five seconds, for channels that nobody drives; ours has a thread.
  setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "0", 1);
  ee::SetEventEngineFactory([] { return std::make_unique<QuietEngine>(); });
}

void StartQuietly() {
  constexpr unsigned long kSlack = 999'000'000;  // nanoseconds
  const int before = prctl(PR_GET_TIMERSLACK);
  prctl(PR_SET_TIMERSLACK, kSlack);  // threads have that of their maker
  grpc_init();
  // 0 would be the thread's default; a refused call left all as it was.
  if (before > 0) {
    prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(before));
  }
}

}  // namespace sluice::agent
