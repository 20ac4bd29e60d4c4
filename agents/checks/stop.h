// A way to end whatever waits: a descriptor that becomes readable once.

#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "common/contract.h"

namespace sluice::agent {

class Stop {
 public:
  Stop() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    SLUICE_CHECK(fd_ >= 0);
  }
  ~Stop() { close(fd_); }
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;

  void Set() {
    const uint64_t one = 1;
    SLUICE_CHECK(write(fd_, &one, sizeof one) == sizeof one);
  }
  bool IsSet() const {
    pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
    return poll(&entry, 1, 0) > 0;
  }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace sluice::agent
