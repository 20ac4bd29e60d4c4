#include "orchestrator/cli/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "common/contract.h"

namespace sluice::cli {
namespace {

constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};
constexpr char kStop = 's';
constexpr char kSignal = 'i';

// A handler may do little; it may write to a pipe.
std::atomic<int> g_write_end{-1};
std::array<struct sigaction, kSignals.size()> g_before;

void OnSignal(int) {
  const int saved = errno;
  const ssize_t ignored = write(g_write_end.load(), &kSignal, 1);
  static_cast<void>(ignored);
  errno = saved;
}

}  // namespace

Interrupt::Interrupt(std::function<void()> on_interrupt) {
  SLUICE_CHECK(pipe2(pipe_, O_CLOEXEC) == 0);
  SLUICE_CHECK(g_write_end.exchange(pipe_[1]) == -1);
  thread_ = std::thread([this, act = std::move(on_interrupt)] {
    char what = kStop;
    while (true) {
      const ssize_t got = read(pipe_[0], &what, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got != 1 || what == kStop) return;
      act();
    }
  });
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &g_before[i]);
  }
}

Interrupt::~Interrupt() {
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &g_before[i], nullptr);
  }
  SLUICE_CHECK(write(pipe_[1], &kStop, 1) == 1);
  thread_.join();
  g_write_end.store(-1);
  close(pipe_[0]);
  close(pipe_[1]);
}

}  // namespace sluice::cli
