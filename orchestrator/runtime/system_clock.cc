#include "orchestrator/runtime/system_clock.h"

#include <ctime>

namespace sluice::runtime {
namespace {

absl::Duration SinceBoot() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace

SystemClock::SystemClock()
    : offset_(absl::Now() - absl::UnixEpoch() - SinceBoot()) {}

absl::Time SystemClock::Now() {
  return absl::UnixEpoch() + offset_ + SinceBoot();
}

}  // namespace sluice::runtime
