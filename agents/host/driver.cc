#include "agents/host/driver.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/contract.h"

namespace sluice::agent {
namespace {

struct FenceCaller {
  Fence* fence;

  absl::StatusOr<FenceReading> operator()(const fence::Replace& call) const {
    return fence->Replace(call.rules);
  }
  absl::StatusOr<FenceReading> operator()(const fence::Open& call) const {
    return fence->Open(call.digest, call.lease, call.flows);
  }
  absl::StatusOr<FenceReading> operator()(const fence::Remove& call) const {
    return fence->Remove(call.digest, call.flows);
  }
  absl::StatusOr<FenceReading> operator()(const fence::Renew& call) const {
    const absl::Status status = fence->Renew(call.leases);
    if (!status.ok()) return status;
    return FenceReading();
  }
  absl::StatusOr<FenceReading> operator()(const fence::Confirm& call) const {
    return fence->Confirm(call.digest, call.flows);
  }
  absl::StatusOr<FenceReading> operator()(const fence::Read&) const {
    return fence->Read();
  }
};

// How long what is done without a loop waits for the disk.
constexpr std::chrono::seconds kDrainPatience(5);

bool IsLinkNews(const Event& event) {
  return std::holds_alternative<LinkConnected>(event) ||
         std::holds_alternative<LinkWelcomed>(event) ||
         std::holds_alternative<LinkDown>(event);
}

}  // namespace

bool IsUrgent(const Event& event) {
  if (std::holds_alternative<IsolatedLocally>(event)) return true;
  const auto* order = std::get_if<OrderReceived>(&event);
  return order != nullptr &&
         std::holds_alternative<IsolateHost>(order->order.what);
}

Driver::Driver(CoreOptions options, DriverPorts ports)
    : ports_(std::move(ports)),
      core_(std::move(options)),
      saver_([this] { SaveStates(); }) {}

Driver::~Driver() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  save_.notify_one();
  saver_.join();
}

void Driver::Start(const std::string& boot_id, uint64_t fresh_number,
                   absl::Duration audit_every) {
  Started started{.boot_id = boot_id,
                  .fresh_number = fresh_number,
                  .audit_every = audit_every};
  const absl::StatusOr<std::string> text = ports_.store->Load();
  absl::StatusOr<AgentState> state =
      text.ok() ? AgentState::Decode(*text) : text.status();
  if (state.ok()) {
    started.file = Started::File::kRead;
    started.state = *std::move(state);
  } else if (absl::IsNotFound(text.status())) {
    started.file = Started::File::kMissing;
  } else {
    started.file = Started::File::kCorrupt;
    started.problem = std::string(state.status().message());
    ports_.store->SetAside();
  }
  Step(started);
  Drain();
}

// The core only answers it: nothing runs by it, and nothing is due.
bool Driver::IsQuickNow(const Event& event) const {
  const auto* heartbeat = std::get_if<RenewalReceived>(&event);
  return heartbeat != nullptr && heartbeat->release_digests.empty() &&
         resting_ && !lent_ && !stopping_ && waiting_.empty() && !overflowed_ &&
         ports_.now() < deadline_;
}

void Driver::Post(Event event) {
  std::unique_lock lock(mutex_);
  if (IsQuickNow(event)) {
    lent_ = true;
    lock.unlock();
    Step(event);
    lock.lock();
    lent_ = false;
    // Woken only for what it waits for.
    if (waiting_.empty() && !stopping_ && !wanted_ &&
        deadline_ >= rest_until_) {
      return;
    }
  } else if (IsUrgent(event)) {
    // Ahead of all work, but not of the link's own beginning and end: an order
    // belongs to the stream that it came on.
    auto place = waiting_.begin();
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
      if (IsLinkNews(*at)) place = std::next(at);
    }
    while (place != waiting_.end() && IsUrgent(*place)) ++place;
    waiting_.insert(place, std::move(event));
  } else if (std::holds_alternative<OrderReceived>(event) &&
             waiting_.size() >= kMaxOrders) {
    overflowed_ = true;
  } else {
    waiting_.push_back(std::move(event));
  }
  wake_.notify_one();
}

void Driver::Stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake_.notify_one();
}

void Driver::Run() {
  while (true) {
    TakeAll();
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    resting_ = true;
    const bool woken = WaitForEvents(lock);
    resting_ = false;
    lock.unlock();
    if (!woken) Step(TimePassed{});
  }
}

bool Driver::WaitForEvents(std::unique_lock<std::mutex>& lock) {
  while (true) {
    wanted_ = true;
    wake_.wait(lock, [this] { return !lent_; });
    wanted_ = false;
    if (stopping_ || !waiting_.empty()) return true;
    const absl::Duration now = ports_.now();
    if (now >= deadline_) return false;
    // Woken at least once an hour, whatever the deadline.
    const absl::Duration wait = std::min(deadline_ - now, absl::Hours(1));
    rest_until_ = deadline_;
    // Rounded up, or the loop would turn until the deadline is really there.
    wake_.wait_for(
        lock,
        absl::ToChronoMicroseconds(absl::Ceil(wait, absl::Microseconds(1))),
        [this] {
          return !lent_ && (stopping_ || !waiting_.empty() ||
                            deadline_ < rest_until_);
        });
  }
}

void Driver::TakeAll() {
  Event event = TimePassed{};
  while (Take(event)) Step(event);
}

void Driver::Drain() {
  const auto until = std::chrono::steady_clock::now() + kDrainPatience;
  while (true) {
    TakeAll();
    std::unique_lock lock(mutex_);
    const auto quiet = [this] { return to_save_.empty() && !saving_; };
    if (stopping_ || (waiting_.empty() && quiet())) return;
    const auto changed = [&] { return !waiting_.empty() || quiet(); };
    if (wake_.wait_until(lock, until, changed)) continue;
    ports_.log(
        "the disk of this host does not answer: what was done is not written "
        "down, so look at the system's log before it reboots");
    return;
  }
}

bool Driver::Take(Event& event) {
  bool overflowed = false;
  {
    const std::lock_guard lock(mutex_);
    overflowed = std::exchange(overflowed_, false);
    if (stopping_ || waiting_.empty()) return false;
    event = std::move(waiting_.front());
    waiting_.pop_front();
  }
  if (overflowed) {
    ports_.hang_up(absl::StrCat("more than ", kMaxOrders,
                                " orders wait; they have to come again"));
  }
  return true;
}

void Driver::Step(const Event& event) {
  answers_.push_back(event);
  while (!answers_.empty()) {
    const Event next = std::move(answers_.front());
    answers_.pop_front();
    const AgentCore::Output output = core_.Step(next, ports_.now());
    deadline_ = output.next_deadline;
    for (const Command& command : output.commands) {
      std::visit([this](const auto& what) { Do(what); }, command);
    }
    if (ports_.fence_judged && std::holds_alternative<FenceDone>(next)) {
      ports_.fence_judged(core_.fence_problem(), core_.state());
    }
  }
}

void Driver::Do(const ChangeFence& command) {
  absl::StatusOr<FenceReading> reading =
      std::visit(FenceCaller{ports_.fence}, command.call);
  FenceDone done{.request = command.request, .status = reading.status()};
  if (reading.ok()) done.reading = *std::move(reading);
  if (command.notes && ports_.notes) done.notes = ports_.notes();
  answers_.push_back(std::move(done));
}

void Driver::Do(const SaveState& command) {
  std::string text = command.state.Encode();
  const std::lock_guard lock(mutex_);
  to_save_.push_back(command.request);
  state_text_ = std::move(text);
  save_.notify_one();
}

// The saver's thread.
void Driver::SaveStates() {
  std::unique_lock lock(mutex_);
  while (true) {
    save_.wait(lock, [this] { return ending_ || !to_save_.empty(); });
    if (to_save_.empty()) return;
    saving_ = true;
    const std::vector<uint64_t> requests = std::exchange(to_save_, {});
    const std::string text = state_text_;
    lock.unlock();
    const absl::Status status = ports_.store->Save(text);
    lock.lock();
    saving_ = false;
    // Ahead of what waits: orders in hand wait for it.
    auto place = waiting_.begin();
    for (const uint64_t request : requests) {
      place = std::next(waiting_.insert(place, StateSaved{request, status}));
    }
    wake_.notify_all();
  }
}

absl::Duration TimeSinceBoot() {
  timespec now = {};
  SLUICE_CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  return absl::DurationFromTimespec(now);
}

std::string ReadBootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id.empty() ? "unknown" : id;
}

}  // namespace sluice::agent
