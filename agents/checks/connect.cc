#include "agents/checks/connect.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sluice::agent {
namespace {

socklen_t Fill(sockaddr_storage& storage, const Prefix& address,
               uint16_t port) {
  storage = {};
  if (address.family() == Family::kIpv4) {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    std::memcpy(&in->sin_addr, address.bytes().data(), 4);
    return sizeof *in;
  }
  auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
  in->sin6_family = AF_INET6;
  in->sin6_port = htons(port);
  std::memcpy(&in->sin6_addr, address.bytes().data(), 16);
  return sizeof *in;
}

// The error of a connection under way, once it is decided.
int Await(int fd, absl::Duration timeout, const Stop& stop) {
  const absl::Time until = absl::Now() + timeout;
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(
        absl::Ceil(until - absl::Now(), absl::Milliseconds(1)));
    pollfd entries[] = {{.fd = fd, .events = POLLOUT, .revents = 0},
                        {.fd = stop.fd(), .events = POLLIN, .revents = 0}};
    const int ready =
        poll(entries, 2, static_cast<int>(std::max<int64_t>(0, left)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno;
    if (ready == 0) return ETIMEDOUT;
    if (entries[0].revents == 0) return ECANCELED;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }
}

}  // namespace

int Connect(const std::optional<Prefix>& from, const Prefix& to, uint16_t port,
            absl::Duration timeout, const Stop& stop, int& fd) {
  const int family = to.family() == Family::kIpv4 ? AF_INET : AF_INET6;
  fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  sockaddr_storage address;
  int error = 0;
  if (from.has_value()) {
    const int one = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    const socklen_t size = Fill(address, *from, 0);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) {
      error = errno;
    }
  }
  if (error == 0) {
    const socklen_t size = Fill(address, to, port);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) {
      error = errno == EINPROGRESS ? Await(fd, timeout, stop) : errno;
    }
  }
  if (error != 0) close(fd);
  return error;
}

int TryConnect(const std::optional<Prefix>& from, const Prefix& to,
               uint16_t port, absl::Duration timeout, const Stop& stop) {
  int fd = -1;
  const int error = Connect(from, to, port, timeout, stop, fd);
  if (error != 0) return error;
  // Closed with a reset: a try must not leave TIME_WAIT behind.
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
  return 0;
}

std::string ConnectError(int error) {
  switch (error) {
    case 0:
      return "connected";
    case ECONNREFUSED:
      return "refused: nothing listens there, or its fence "
             "says no";
    case ETIMEDOUT:
      return "no answer: it is down, or a fence on the way "
             "drops it";
    case EPERM:
    case EACCES:
      return "this host's own fence says no";
    case EHOSTUNREACH:
    case ENETUNREACH:
      return "no way there: check routes and addresses";
    case EADDRNOTAVAIL:
      return "the address is not this host's";
    case ECANCELED:
      return "the agent is ending";
  }
  return std::strerror(error);
}

std::string Endpoint(const Prefix& address, uint16_t port) {
  return address.family() == Family::kIpv4
             ? absl::StrCat(address.Address(), ":", port)
             : absl::StrCat("[", address.Address(), "]:", port);
}

}  // namespace sluice::agent
