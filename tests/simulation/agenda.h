// What happens when: the simulated clock, which jumps from event to event.

#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace sluice::simulation {

class Agenda {
 public:
  explicit Agenda(absl::Time start) : now_(start) {}

  absl::Time now() const { return now_; }
  // Steps taken so far: events that have happened.
  uint64_t steps() const { return steps_; }
  bool empty() const { return heap_.empty(); }
  absl::Time next() const { return heap_.front().at; }

  // `what` happens at `when`, or now when that is past; of two at one time the
  // one that was put down first.
  void At(absl::Time when, std::function<void()> what) {
    heap_.push_back({std::max(when, now_), ++last_, std::move(what)});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  void After(absl::Duration wait, std::function<void()> what) {
    At(now_ + wait, std::move(what));
  }

  // REQUIRES: not empty.
  void Step() {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    Entry entry = std::move(heap_.back());
    heap_.pop_back();
    now_ = entry.at;
    ++steps_;
    entry.what();
  }

 private:
  struct Entry {
    absl::Time at;
    uint64_t number = 0;
    std::function<void()> what;
  };
  static bool Later(const Entry& a, const Entry& b) {
    return a.at != b.at ? a.at > b.at : a.number > b.number;
  }

  absl::Time now_;
  uint64_t steps_ = 0;
  uint64_t last_ = 0;
  std::vector<Entry> heap_;
};

// A clock that runs a little fast or slow: a host's boot clock.
class DriftingClock {
 public:
  void Start(absl::Time at, absl::Duration reading, double rate) {
    started_ = at;
    reading_ = reading;
    rate_ = rate;
  }
  absl::Duration Read(absl::Time now) const {
    return reading_ + (now - started_) * rate_;
  }
  // When it reads `reading` or a little more; never before `now`.
  absl::Time When(absl::Duration reading, absl::Time now) const {
    if (reading == absl::InfiniteDuration()) return absl::InfiniteFuture();
    const absl::Time at =
        started_ + (reading - reading_) * (1.0 / rate_) + absl::Microseconds(1);
    return std::max(at, now);
  }

 private:
  absl::Time started_;
  absl::Duration reading_;
  double rate_ = 1.0;
};

}  // namespace sluice::simulation
