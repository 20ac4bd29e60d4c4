#include "agents/checks/hung.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace sluice::agent {

HungProcesses& HungProcesses::Here() {
  static HungProcesses& all = *new HungProcesses;
  return all;
}

HungProcesses::~HungProcesses() {
  for (const One& one : hung_) close(one.pidfd);
}

void HungProcesses::ForgetEnded() {
  std::erase_if(hung_, [](const One& one) {
    pollfd entry{.fd = one.pidfd, .events = POLLIN, .revents = 0};
    if (poll(&entry, 1, 0) <= 0) return false;
    if (one.child > 0) waitpid(one.child, nullptr, WNOHANG);
    close(one.pidfd);
    return true;
  });
}

absl::Status HungProcesses::MayStart(const std::string& what) {
  const std::lock_guard lock(mutex_);
  ForgetEnded();
  for (const One& one : hung_) {
    if (one.what != what) continue;
    return absl::ResourceExhaustedError(
        absl::StrCat(one.where,
                     " still does not answer: a process of this check hangs "
                     "there in the kernel, and no second one is started; look "
                     "for a mount whose server is gone"));
  }
  if (hung_.size() < kMost) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      hung_.size(), " processes of checks hang in the kernel, one at ",
      hung_.front().where,
      ", and no more are started; look for mounts whose server is gone"));
}

void HungProcesses::Add(const std::string& what, const std::string& where,
                        const std::vector<int>& pidfds, pid_t child) {
  const std::lock_guard lock(mutex_);
  for (const int pidfd : pidfds) hung_.push_back({what, where, pidfd, child});
  ForgetEnded();
}

size_t HungProcesses::Count() {
  const std::lock_guard lock(mutex_);
  ForgetEnded();
  return hung_.size();
}

}  // namespace sluice::agent
