#include "orchestrator/runtime/driver.h"

namespace sluice::runtime {

Driver::Driver(Clock* clock, Loop* loop)
    : clock_(clock), loop_(loop), thread_([this] { Run(); }) {}

Driver::~Driver() {
  stop_ = true;
  loop_->inbox().Wake();
  thread_.join();
}

void Driver::Run() {
  while (!stop_) {
    const absl::Time next = loop_->Turn(clock_->Now());
    loop_->inbox().Wait(next - clock_->Now());
  }
}

}  // namespace sluice::runtime
