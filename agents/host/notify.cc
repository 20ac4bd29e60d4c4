#include "agents/host/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sluice::agent {

void NotifyServiceManager(const std::string& lines) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  const size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract socket
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  // Nobody listening is the service manager's affair, not the fence's.
  (void)sendto(
      fd, lines.data(), lines.size(), MSG_NOSIGNAL,
      reinterpret_cast<sockaddr*>(&address),
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  close(fd);
}

void Readiness::Judge(const std::string& problem, const AgentState& state) {
  const bool quarantined = state.mode == Mode::kQuarantined;
  std::string status =
      problem.empty() && quarantined
          ? absl::StrCat("In quarantine ", state.quarantine_number,
                         "; the fence was read back from the kernel.")
      : problem.empty() ? std::string("Open: this host is not isolated.")
      : quarantined
          ? absl::StrCat("NOT isolated as it should be: ", problem,
                         ". Tried again every second.")
          : absl::StrCat("The kernel's rules cannot be read: ", problem,
                         ". Tried again every second.");
  status = OneLine(status, 500);
  std::string lines;
  if (!ready_ && problem.empty()) {
    ready_ = true;
    lines = "READY=1\n";
  } else if (!ready_ && quarantined) {
    lines = "EXTEND_TIMEOUT_USEC=30000000\n";
  }
  if (status != status_) {
    absl::StrAppend(&lines, "STATUS=", status, "\n");
    status_ = std::move(status);
  }
  if (!lines.empty()) tell_(lines);
}

}  // namespace sluice::agent
