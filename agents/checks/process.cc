#include "agents/checks/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/contract.h"

namespace sluice::agent {
namespace {

constexpr off_t kMaxOutput = 64 << 10;
constexpr rlim_t kMaxMemory = rlim_t{1} << 30;  // of addresses
constexpr absl::Duration kGrace = absl::Milliseconds(500);

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

absl::Status Errno(absl::string_view what, int error) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(error)));
}

// A file that takes so much and not a byte more.
int MakeOutput(off_t most) {
  const int fd = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return fd;
  if (ftruncate(fd, most) != 0 ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

// A file that holds `text`, read from its beginning; -1 when it cannot be.
int MakeInput(const std::string& text) {
  const int fd = memfd_create("input", MFD_CLOEXEC);
  if (fd < 0) return fd;
  const auto size = static_cast<ssize_t>(text.size());
  if (pwrite(fd, text.data(), text.size(), 0) == size) return fd;
  close(fd);
  return -1;
}

// What a program wrote into such a file; `full`: it may have had more to say.
std::string TakeOutput(int fd, off_t most, bool* full) {
  const off_t written = std::clamp<off_t>(lseek(fd, 0, SEEK_CUR), 0, most);
  std::string text(static_cast<size_t>(written), '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  text.resize(static_cast<size_t>(std::max<ssize_t>(0, got)));
  *full = written == most;
  return text;
}

// Its own process group, no signal masked or ignored, nothing of ours open.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& argv, int input,
                            int output, int errors) {
  std::vector<char*> arguments;
  for (const std::string& word : argv) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  char path[] =
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
      "/bin";
  char locale[] = "LC_ALL=C.UTF-8";
  char* environment[] = {path, locale, nullptr};

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  if (input >= 0) {
    posix_spawn_file_actions_adddup2(&files, input, 0);
  } else {
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  }
  posix_spawn_file_actions_adddup2(&files, output, 1);
  posix_spawn_file_actions_adddup2(&files, errors, 2);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
                                            POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, arguments[0], &files, &attributes,
                                 arguments.data(), environment);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return Errno(absl::StrCat("'", argv[0], "' could not be started"), error);
  }
  return pid;
}

// What a check may use; a unit's start script hands its limits to its service.
void Bound(pid_t pid) {
  const rlimit memory{kMaxMemory, kMaxMemory};
  const rlimit none{0, 0};
  prlimit(pid, RLIMIT_AS, &memory, nullptr);
  prlimit(pid, RLIMIT_CORE, &none, nullptr);
}

// True when the process ended within `time`.
bool WaitFor(int pidfd, absl::Duration time, const Stop* stop) {
  const absl::Time until = absl::Now() + time;
  while (true) {
    const absl::Duration left = until - absl::Now();
    pollfd entries[] = {
        {.fd = pidfd, .events = POLLIN, .revents = 0},
        {.fd = stop ? stop->fd() : -1, .events = POLLIN, .revents = 0}};
    const int ready = poll(entries, 2,
                           static_cast<int>(std::max<int64_t>(
                               0, absl::ToInt64Milliseconds(absl::Ceil(
                                      left, absl::Milliseconds(1))))));
    if (ready > 0) return entries[0].revents != 0;
    if (ready == 0) return false;
    SLUICE_CHECK(errno == EINTR);
  }
}

}  // namespace

std::optional<UserIds> FindUser(const std::string& name) {
  std::vector<char> buffer(16384);
  passwd entry = {};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) !=
          0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return UserIds{found->pw_uid, found->pw_gid};
}

std::vector<std::string> AsUser(const std::vector<std::string>& command,
                                const UserIds& ids) {
  std::vector<std::string> argv = {"/usr/bin/setpriv",
                                   absl::StrCat("--reuid=", ids.user),
                                   absl::StrCat("--regid=", ids.group),
                                   "--init-groups",
                                   "--no-new-privs",
                                   "--inh-caps=-all",
                                   "--"};
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

absl::StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& argv,
                                         absl::Duration timeout,
                                         Leftovers leftovers,
                                         const Stop& stop) {
  return RunProcess(argv, {.timeout = timeout, .leftovers = leftovers}, stop);
}

absl::StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& argv,
                                         const ProcessOptions& options,
                                         const Stop& stop) {
  SLUICE_CHECK(!argv.empty());
  const auto most = static_cast<off_t>(options.most_output);
  const Descriptor output(MakeOutput(most));
  const Descriptor apart(options.errors_apart ? MakeOutput(kMaxOutput) : -1);
  const Descriptor input(options.input.empty() ? -1 : MakeInput(options.input));
  if (output.get() < 0 || (options.errors_apart && apart.get() < 0) ||
      (!options.input.empty() && input.get() < 0)) {
    return Errno("no memory for its input and output", errno);
  }
  const absl::StatusOr<pid_t> pid =
      Spawn(argv, input.get(), output.get(),
            options.errors_apart ? apart.get() : output.get());
  if (!pid.ok()) return pid.status();
  // (Debian 12's <sys/pidfd.h> is not for C++.)
  const Descriptor pidfd(static_cast<int>(syscall(SYS_pidfd_open, *pid, 0)));
  const bool kills = options.leftovers == Leftovers::kKill;
  if (kills) Bound(*pid);
  ProcessResult result;
  const bool ended =
      pidfd.get() >= 0 && WaitFor(pidfd.get(), options.timeout, &stop);
  if (!ended) {
    result.stopped = stop.IsSet();
    result.timed_out = !result.stopped;
    kill(-*pid, SIGTERM);
    if (pidfd.get() >= 0) WaitFor(pidfd.get(), kGrace, nullptr);
  }
  // Not yet reaped, so the group's number cannot be anybody else's.
  if (!ended || kills) kill(-*pid, SIGKILL);
  int status = 0;
  while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  result.output = TakeOutput(output.get(), most, &result.output_full);
  bool ignored = false;
  if (options.errors_apart) {
    result.errors = TakeOutput(apart.get(), kMaxOutput, &ignored);
  }
  return result;
}

}  // namespace sluice::agent
