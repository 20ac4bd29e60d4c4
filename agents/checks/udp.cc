// udp: one datagram to this host's own service, and an answer.

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agents/checks/check.h"
#include "agents/checks/connect.h"

namespace sluice::agent {
namespace {

struct Answer {
  int error = 0;  // ETIMEDOUT: none came
  std::string text;
};

// Connected, so that only that peer's datagrams come in, and its refusals too.
Answer Exchange(int fd, const std::string& sent, absl::Duration timeout,
                const Stop& stop) {
  if (send(fd, sent.data(), sent.size(), 0) < 0) return {errno, ""};
  pollfd entries[] = {{.fd = fd, .events = POLLIN, .revents = 0},
                      {.fd = stop.fd(), .events = POLLIN, .revents = 0}};
  poll(entries, 2,
       static_cast<int>(absl::ToInt64Milliseconds(
           absl::Ceil(timeout, absl::Milliseconds(1)))));
  if (entries[1].revents != 0) return {ECANCELED, ""};
  if (entries[0].revents == 0) return {ETIMEDOUT, ""};
  std::string text(65536, '\0');
  const ssize_t got = recv(fd, text.data(), text.size(), 0);
  if (got < 0) return {errno, ""};
  text.resize(static_cast<size_t>(got));
  return {0, std::move(text)};
}

Answer Ask(const Prefix& to, uint16_t port, const std::string& sent,
           absl::Duration timeout, const Stop& stop) {
  const bool is4 = to.family() == Family::kIpv4;
  const int fd = socket(is4 ? AF_INET : AF_INET6,
                        SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return {errno, ""};
  sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
  std::memcpy(&in.sin_addr, to.bytes().data(), 4);
  sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  std::memcpy(&in6.sin6_addr, to.bytes().data(), 16);
  const auto* address = is4 ? reinterpret_cast<const sockaddr*>(&in)
                            : reinterpret_cast<const sockaddr*>(&in6);
  const socklen_t size = is4 ? sizeof in : sizeof in6;
  Answer answer;
  if (connect(fd, address, size) != 0) {
    answer.error = errno;
  } else {
    answer = Exchange(fd, sent, timeout, stop);
  }
  close(fd);
  return answer;
}

}  // namespace

CheckResult CheckUdp(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop) {
  const uint16_t port = PortArg(spec);
  if (port == 0) return Inconclusive("udp: 'port' is not a port number");
  const std::vector<Prefix> places = Places(spec, context);
  if (places.empty()) return Inconclusive("udp: 'address' is not an address");
  const std::string wanted = Arg(spec, "contains");
  const absl::Time until = absl::Now() + spec.timeout;
  std::vector<std::string> errors;
  for (size_t i = 0; i < places.size(); ++i) {
    const absl::Duration left =
        (until - absl::Now()) / static_cast<int64_t>(places.size() - i);
    if (left <= absl::ZeroDuration()) break;
    const std::string where = Endpoint(places[i], port);
    const Answer answer = Ask(places[i], port, Arg(spec, "send"), left, stop);
    if (answer.error == ECANCELED) return Inconclusive("the agent is ending");
    if (answer.error == 0) {
      if (absl::StrContains(answer.text, wanted)) {
        return Pass(absl::StrCat(where, " answers"));
      }
      return Fail(absl::StrCat(where, " answers without '", wanted, "'"));
    }
    errors.push_back(absl::StrCat(
        where, answer.error == ECONNREFUSED ? " refuses"
               : answer.error == ETIMEDOUT
                   ? " does not answer"
                   : absl::StrCat(": ", ConnectError(answer.error))));
  }
  return Fail(absl::StrCat("nothing answers on UDP port ", port, ": ",
                           absl::StrJoin(errors, ", ")));
}

}  // namespace sluice::agent
