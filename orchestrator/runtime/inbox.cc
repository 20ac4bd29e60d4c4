#include "orchestrator/runtime/inbox.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

namespace sluice::runtime {
namespace {

template <class T>
void Move(std::deque<T>* from, size_t most, std::vector<T>* to) {
  const auto end =
      from->begin() + static_cast<ptrdiff_t>(std::min(most, from->size()));
  to->assign(std::make_move_iterator(from->begin()),
             std::make_move_iterator(end));
  from->erase(from->begin(), end);
}

absl::Status Busy() {
  return absl::ResourceExhaustedError(
      "the orchestrator has more requests waiting than it takes; try again in "
      "a moment");
}

}  // namespace

absl::Status Inbox::Add(FromPerson request, std::deque<FromPerson>* lane) {
  const auto own = std::count_if(
      lane->begin(), lane->end(),
      [&](const FromPerson& one) { return one.who == request.who; });
  if (lane->size() >= kMaxPeople ||
      (!request.who.empty() && own >= static_cast<ptrdiff_t>(kMaxEach))) {
    return Busy();
  }
  lane->push_back(std::move(request));
  return absl::OkStatus();
}

absl::Status Inbox::Isolate(FromPerson request) {
  absl::Status status;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    status = Add(std::move(request), &isolations_);
  }
  changed_.notify_one();
  return status;
}

absl::Status Inbox::Ask(FromPerson request) {
  absl::Status status;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    status = Add(std::move(request), &people_);
  }
  changed_.notify_one();
  return status;
}

absl::Status Inbox::Tell(FromAgent event) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (agents_.size() >= kMaxAgents &&
        !std::holds_alternative<engine::AgentLost>(event.event)) {
      return Busy();
    }
    agents_.push_back(std::move(event));
  }
  changed_.notify_one();
  return absl::OkStatus();
}

absl::Status Inbox::LookAt(Look look, const OperatorId& who) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto own =
        std::count_if(looks_.begin(), looks_.end(),
                      [&](const auto& one) { return one.first == who; });
    if (looks_.size() >= kMaxLooks ||
        (!who.empty() && own >= static_cast<ptrdiff_t>(kMaxEach))) {
      return Busy();
    }
    looks_.emplace_back(who, std::move(look));
  }
  changed_.notify_one();
  return absl::OkStatus();
}

Batch Inbox::Take(size_t most) {
  Batch batch;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [who, look] : looks_) batch.looks.push_back(std::move(look));
  looks_.clear();
  if (!isolations_.empty()) {
    // S5: nothing else delays an isolation.
    Move(&isolations_, isolations_.size(), &batch.isolations);
    return batch;
  }
  Move(&people_, people_.size(), &batch.people);
  Move(&agents_, most, &batch.agents);
  return batch;
}

bool Inbox::HasWork() const {
  return woken_ || !isolations_.empty() || !people_.empty() ||
         !agents_.empty() || !looks_.empty();
}

void Inbox::Wait(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout),
                    [this] { return HasWork(); });
  woken_ = false;
}

void Inbox::Wake() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

}  // namespace sluice::runtime
