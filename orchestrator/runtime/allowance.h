// How much one host, or one person, may put into the journal: a burst, then so
// much a second. A captured agent that reports without end would otherwise
// fill the disk, and make the next start slow.

#pragma once

#include <algorithm>
#include <cstddef>

#include "absl/time/time.h"

namespace sluice::runtime {

class Allowance {
 public:
  // A day of nothing but reports is some 100 MB at this rate; a host whose
  // checks change their minds every few seconds does not notice it.
  static constexpr double kBurst = 500;
  static constexpr double kASecond = 2;
  static constexpr double kBytesEach = 4096;

  bool Allows(absl::Time now) {
    Refill(now);
    return left_ > 0;
  }
  // The same for an answer that is waited for, which babble must not hold up;
  // though one order can be answered without end, too.
  bool AllowsAnswer(absl::Time now) {
    Refill(now);
    return left_ > -kBurst;
  }
  // One record with a payload of so many bytes.
  void Spend(size_t bytes) {
    left_ -= 1 + static_cast<double>(bytes) / kBytesEach;
  }
  // Something was asked for: its answer costs nothing.
  void Credit() { left_ += 1; }
  // It is isolated: what its stream still holds is let through to the answer.
  void CreditIsolation() { left_ = std::max(left_, kBurst / 4); }
  // When Allows() is true again, at the latest.
  absl::Time Next() const {
    return left_ > 0 ? at_ : at_ + absl::Seconds((0.1 - left_) / kASecond);
  }

 private:
  void Refill(absl::Time now) {
    if (now <= at_) return;
    const double earned = absl::ToDoubleSeconds(now - at_) * kASecond;
    // What was credited is not taken back.
    if (left_ < kBurst) left_ = std::min(kBurst, left_ + earned);
    at_ = now;
  }

  double left_ = kBurst;
  absl::Time at_ = absl::UnixEpoch();
};

}  // namespace sluice::runtime
