// The real clock: the wall's time at start, then the boot clock's seconds. So
// a wall clock that is set right (or wrong) in mid-run ends no gate early, and
// a suspended machine's time still passes.

#pragma once

#include "absl/time/time.h"
#include "orchestrator/runtime/ports.h"

namespace sluice::runtime {

class SystemClock : public Clock {
 public:
  SystemClock();
  absl::Time Now() override;

 private:
  const absl::Duration offset_;  // wall minus boot clock, at start
};

}  // namespace sluice::runtime
