#include "orchestrator/rpc/acceptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/status.h"
#include "orchestrator/rpc/sessions.h"

namespace sluice::rpc {
namespace {

constexpr int kBacklog = 4096;
constexpr int kMostAtOnce = 256;  // of one socket, before the next is looked at
constexpr int kPauseMs = 100;     // when accepting itself fails

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
};

absl::Status CannotListen(const std::string& address, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat(
      "cannot listen on ", address, ": ", why,
      "; another program has it or this machine has no such address, look with "
      "`ss -lx` and `ss -ltn`"));
}

// "10.77.0.1:7443" and "[fd77::1]:7443"; 0 when it is neither.
socklen_t ParseAddress(absl::string_view text, Address* out) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    return 0;
  }
  absl::string_view host = text.substr(0, colon);
  std::memset(out, 0, sizeof *out);
  if (absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]")) {
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(static_cast<uint16_t>(port));
    return inet_pton(AF_INET6, std::string(host).c_str(), &out->v6.sin6_addr) ==
                   1
               ? sizeof out->v6
               : 0;
  }
  out->v4.sin_family = AF_INET;
  out->v4.sin_port = htons(static_cast<uint16_t>(port));
  return inet_pton(AF_INET, std::string(host).c_str(), &out->v4.sin_addr) == 1
             ? sizeof out->v4
             : 0;
}

// A socket file that nobody listens on any more is a dead one's.
void RemoveStale(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address),
              sizeof address) != 0 &&
      errno == ECONNREFUSED) {
    unlink(address.sun_path);
  }
  close(fd);
}

// "10.77.0.21", without the port; empty when it has none.
std::string HostOf(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof text);
  } else if (address.any.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof text);
  }
  return text;
}

int PortIn(const Address& address) {
  return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port
                                                : address.v6.sin6_port);
}

// As gRPC writes a peer, too: the last colon ends the address.
std::string PeerOf(int fd) {
  Address address;
  socklen_t size = sizeof address;
  if (getpeername(fd, &address.any, &size) != 0) return "";
  const std::string host = HostOf(address);
  return host.empty() ? "" : absl::StrCat(host, ":", PortIn(address));
}

// The other end, or empty for this machine's own.
std::string StrangerAt(int fd, const Address& peer) {
  Address here;
  socklen_t size = sizeof here;
  if (getsockname(fd, &here.any, &size) == 0 && HostOf(here) == HostOf(peer)) {
    return "";
  }
  return PeerOf(fd);
}

// What was asked for, or what the kernel chose instead of 0.
int ListeningPort(int fd) {
  Address address;
  socklen_t size = sizeof address;
  if (getsockname(fd, &address.any, &size) != 0) return 0;
  // A unix socket has one place, and it was had.
  return address.any.sa_family == AF_UNIX ? 1 : PortIn(address);
}

int MostDescriptors() {
  rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1'000'000
             ? static_cast<int>(limit.rlim_cur)
             : 1'000'000;
}

}  // namespace

Acceptor::Acceptor(Options options)
    : options_(options),
      most_(MostDescriptors()),
      handshakes_(options.handshakes),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Acceptor::~Acceptor() {
  Stop();
  for (const Listener& listener : listeners_) {
    if (listener.fd >= 0) close(listener.fd);
    if (!listener.path.empty()) unlink(listener.path.c_str());
  }
  if (wake_ >= 0) close(wake_);
}

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Listen(
    const std::vector<std::string>& addresses, Options options) {
  std::unique_ptr<Acceptor> acceptor(new Acceptor(options));
  for (const std::string& address : addresses) {
    SLUICE_RETURN_IF_ERROR(acceptor->Add(address));
  }
  return acceptor;
}

absl::Status Acceptor::Add(const std::string& text) {
  Address address;
  Listener listener;
  socklen_t size = 0;
  absl::string_view path = text;
  if (absl::ConsumePrefix(&path, "unix:")) {
    std::memset(&address, 0, sizeof address);
    if (path.empty() || path.size() >= sizeof address.local.sun_path) {
      return CannotListen(text, "its path is too long or empty");
    }
    address.local.sun_family = AF_UNIX;
    std::memcpy(address.local.sun_path, path.data(), path.size());
    size = sizeof address.local;
    listener.local = true;
    RemoveStale(address.local);
  } else {
    size = ParseAddress(text, &address);
    if (size == 0) return CannotListen(text, "it is no address with a port");
  }
  listener.fd = socket(address.any.sa_family,
                       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int one = 1;
  if (listener.fd >= 0 && !listener.local) {
    // Not SO_REUSEPORT: a second orchestrator on one address must fail.
    setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address.any.sa_family == AF_INET6) {
      const int no = 0;  // [::] is every address, the old ones too
      setsockopt(listener.fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    }
  }
  if (listener.fd < 0 || bind(listener.fd, &address.any, size) != 0 ||
      listen(listener.fd, kBacklog) != 0) {
    const int error = errno;
    if (listener.fd >= 0) close(listener.fd);
    return CannotListen(text, std::strerror(error));
  }
  if (listener.local) listener.path = std::string(path);
  ports_.push_back(ListeningPort(listener.fd));
  listeners_.push_back(std::move(listener));
  return absl::OkStatus();
}

void Acceptor::AddTo(
    grpc::ServerBuilder* builder,
    const std::shared_ptr<grpc::ServerCredentials>& credentials) {
  server_ = builder->experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      credentials);
}

void Acceptor::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Acceptor::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  if (write(wake_, &one, sizeof one) < 0) return;  // cannot: it never fills up
  thread_.join();
}

void Acceptor::Run() {
  std::vector<pollfd> waiting = {{wake_, POLLIN, 0}};
  for (const Listener& listener : listeners_) {
    waiting.push_back({listener.fd, POLLIN, 0});
  }
  while (true) {
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
    if (waiting[0].revents != 0) return;
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (waiting[i + 1].revents != 0) TakeFrom(listeners_[i]);
    }
  }
}

void Acceptor::TakeFrom(const Listener& listener) {
  for (int taken = 0; taken < kMostAtOnce; ++taken) {
    Address peer;
    socklen_t size = sizeof peer;
    std::memset(&peer, 0, sizeof peer);
    const int fd =
        accept4(listener.fd, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN) return;
      // Out of descriptors after all: others may close theirs soon.
      pollfd pause = {wake_, POLLIN, 0};
      poll(&pause, 1, kPauseMs);
      return;
    }
    const std::string stranger = listener.local ? "" : StrangerAt(fd, peer);
    // The lowest free number is given out, so a number says how many are used.
    const int kept =
        listener.local ? options_.kept_back / 2 : options_.kept_back;
    if (fd >= most_ - kept ||
        (!stranger.empty() && !(handshakes_.Take(stranger, absl::Now()).ok() &&
                                HasRoomFor(stranger, fd)))) {
      close(fd);
      continue;
    }
    const int one = 1;
    if (!listener.local) {
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
        connection;
    connection.listener_fd = listener.fd;
    connection.fd = fd;
    server_->HandleNewConnection(&connection);
  }
}

// The kernel gives the lowest free number: one that comes again was closed, and
// those that do not come again are looked at when it matters.
bool Acceptor::HasRoomFor(const std::string& peer, int fd) {
  const auto forget = [&](int gone) {
    const auto owner = owner_.find(gone);
    if (owner == owner_.end()) return;
    const auto at = standing_.find(AddressOf(owner->second));
    at->second.erase(gone);
    if (at->second.empty()) standing_.erase(at);
    owner_.erase(owner);
  };
  forget(fd);
  const std::string address = AddressOf(peer);
  if (const auto found = standing_.find(address);
      found != standing_.end() &&
      found->second.size() >= options_.connections) {
    const std::set<int> had = found->second;
    for (const int one : had) {
      // Closed, or another's by now.
      if (PeerOf(one) != owner_.at(one)) forget(one);
    }
  }
  std::set<int>& now = standing_[address];
  if (now.size() >= options_.connections) return false;
  now.insert(fd);
  owner_[fd] = peer;
  return true;
}

}  // namespace sluice::rpc
