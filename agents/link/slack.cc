#include "agents/link/slack.h"

#include <sys/prctl.h>

namespace sluice::agent {
namespace {

constexpr unsigned long kSlack = 999'000'000;  // nanoseconds

}  // namespace

SlackTimers::SlackTimers() : before_(prctl(PR_GET_TIMERSLACK)) {
  prctl(PR_SET_TIMERSLACK, kSlack);
}

SlackTimers::~SlackTimers() {
  // 0 would be the thread's default; a refused call left all as it was.
  if (before_ > 0) {
    prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(before_));
  }
}

}  // namespace sluice::agent
