#include "agents/checks/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agents/checks/hung.h"
#include "agents/core/state.h"
#include "common/contract.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

constexpr off_t kMaxOutput = 64 << 10;
// Of the user it runs as; root is bounded by the service's own TasksMax.
constexpr rlim_t kMaxProcesses = 128;
constexpr int kNice = 10;
constexpr int kWordFd = 3;  // in the program, until it is one

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

char kPath[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
    "/bin";
char kLocale[] = "LC_ALL=C.UTF-8";
char* const kEnvironment[] = {kPath, kLocale, nullptr};

std::vector<char*> Arguments(const std::vector<std::string>& argv) {
  std::vector<char*> arguments;
  for (const std::string& word : argv) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  return arguments;
}

// What a program is given; without an input it reads nothing.
struct Files {
  int input = -1;
  int output = -1;
  int errors = -1;
};

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

void SetStatus(int status, ProcessResult& result) {
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
}

// ── the program ─────────────────────────────────────────────────────────────
//
// It is forked from a process with threads, so from there on nothing but system
// calls is made.

// What the supervisor and the program say to the agent.
struct Word {
  enum class Kind : int { kNotStarted, kEnded };
  Kind kind = Kind::kNotStarted;
  int value = 0;  // errno; what waitpid() said
};

void SayWord(int fd, Word word) {
  const ssize_t wrote = write(fd, &word, sizeof word);
  if (wrote != sizeof word) _exit(1);
}

// Without the library's fork handlers: gRPC's threads are not there any more.
pid_t Clone() {
  return static_cast<pid_t>(
      syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

// It goes on with those in `mask`, and running others gives it none back.
bool KeepCapabilities(uint64_t mask) {
  if (mask == kAllCapabilities) return true;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &head, sets) != 0) return false;
  for (__user_cap_data_struct& set : sets) {
    set.permitted &= static_cast<uint32_t>(mask);
    set.effective = set.permitted;
    set.inheritable = 0;
    mask >>= 32;
  }
  return syscall(SYS_capset, &head, sets) == 0;
}

struct Limits {
  bool check = true;  // its memory, its processes and its priority have bounds
  uint64_t memory = kCheckMemory;
  uint64_t capabilities = kAllCapabilities;
};

// Its own process group, no signal masked or ignored, nothing of ours open.
[[noreturn]] void BecomeProgram(char* const* argv, char* const* environment,
                                Files files, int word, Limits limits) {
  setpgid(0, 0);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (limits.check) {
    const rlimit memory{limits.memory, limits.memory};
    const rlimit processes{kMaxProcesses, kMaxProcesses};
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_NPROC, &processes);
    setrlimit(RLIMIT_CORE, &no_core);
    setpriority(PRIO_PROCESS, 0, kNice);
  }
  if (files.input < 0) files.input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (files.input >= 0 && dup2(files.input, 0) >= 0 &&
      dup2(files.output, 1) >= 0 && dup2(files.errors, 2) >= 0 &&
      dup2(word, kWordFd) >= 0) {
    close_range(kWordFd + 1, ~0U, 0);
    fcntl(kWordFd, F_SETFD, FD_CLOEXEC);
    if (KeepCapabilities(limits.capabilities)) {
      execvpe(argv[0], argv, environment);
    }
  }
  SayWord(kWordFd, {Word::Kind::kNotStarted, errno});
  _exit(127);
}

// Why it was not started, when it said so; else how it ended goes to `status`.
absl::Status TakeWords(int fd, const std::string& program, int* status) {
  fcntl(fd, F_SETFL, O_NONBLOCK);
  Word said;
  while (read(fd, &said, sizeof said) == sizeof said) {
    if (said.kind == Word::Kind::kNotStarted) {
      return Errno(absl::StrCat("'", program, "' could not be started"),
                   said.value);
    }
    *status = said.value;
  }
  return absl::OkStatus();
}

// What is known of a program that hangs.
struct Running {
  std::string what;   // the same for the same again
  std::string where;  // it hangs, for people; empty: its standard error ends so
};

std::string Where(const Running& running, const Files& files) {
  bool ignored = false;
  return running.where.empty()
             ? OneLine(TakeOutput(files.errors, kMaxOutput, &ignored), 120)
             : running.where;
}

int OpenPidfd(pid_t pid) {
  // (Debian 12's <sys/pidfd.h> is not for C++.)
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

// A unit's start script: what it leaves behind is the service.
absl::StatusOr<ProcessResult> RunScript(const std::vector<std::string>& argv,
                                        const Files& files,
                                        const ProcessOptions& options,
                                        const Running& running,
                                        const Stop& stop) {
  std::vector<char*> arguments = Arguments(argv);
  int word[2];
  if (pipe2(word, O_CLOEXEC) != 0) return Errno("no pipe", errno);
  const Descriptor word_read(word[0]);
  auto word_write = std::make_unique<Descriptor>(word[1]);
  const pid_t pid = Clone();
  if (pid == 0) {
    BecomeProgram(arguments.data(), kEnvironment, files, word[1],
                  {.check = false, .capabilities = options.capabilities});
  }
  if (pid < 0) {
    return Errno(absl::StrCat("'", argv[0], "' could not be started"), errno);
  }
  word_write.reset();
  auto pidfd = std::make_unique<Descriptor>(OpenPidfd(pid));
  ProcessResult result;
  if (pidfd->get() < 0 || !WaitFor(pidfd->get(), options.timeout, &stop)) {
    result.stopped = stop.IsSet();
    result.timed_out = !result.stopped;
    kill(-pid, SIGTERM);
    if (pidfd->get() >= 0) WaitFor(pidfd->get(), options.grace, nullptr);
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    if (pidfd->get() >= 0 &&
        !WaitFor(pidfd->get(), options.patience, nullptr)) {
      HungProcesses::Here().Add(running.what, Where(running, files),
                                {dup(pidfd->get())}, pid);
      result.hung = HungProcesses::Here().Count();
      return result;
    }
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  SLUICE_RETURN_IF_ERROR(TakeWords(word_read.get(), argv[0], &status));
  SetStatus(status, result);
  return result;
}

// ── checks: whatever they start ends with them ──────────────────────────────
//
// A process of ours stands between the agent and the program. Whatever the
// program starts, in a session of its own or orphaned twice, becomes that
// process's child in the end (PR_SET_CHILD_SUBREAPER), and it ends all of its
// children before it ends itself.

// Kills each child there is now: of a tree, its top. When that has died its
// children are ours.
void KillChildren() {
  char text[4096];
  const int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  pid_t child = 0;
  while (true) {
    const ssize_t got = read(fd, text, sizeof text);
    if (got <= 0) break;
    for (ssize_t i = 0; i < got; ++i) {
      if (text[i] >= '0' && text[i] <= '9') {
        child = child * 10 + (text[i] - '0');
      } else if (child > 1) {
        kill(child, SIGKILL);
        child = 0;
      }
    }
  }
  close(fd);
}

bool Waits(int fd, int milliseconds) {
  pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
  while (true) {
    const int ready = poll(&entry, 1, milliseconds);
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

// Nothing else of the agent's stays open: another check's pipe would not end
// with the agent while it is held here.
bool KeepOnly(Files* files, int* control, int* word) {
  constexpr int kOutOfTheWay = 64;
  int* const all[] = {&files->output, &files->errors, control, word,
                      &files->input};
  int number = 3;
  for (int* fd : all) {
    if (*fd < 0) continue;  // no input is given
    *fd = fcntl(*fd, F_DUPFD_CLOEXEC, kOutOfTheWay);
    if (*fd < 0) return false;
  }
  for (int* fd : all) {
    if (*fd < 0) continue;
    if (dup3(*fd, number, O_CLOEXEC) < 0) return false;
    *fd = number++;
  }
  return close_range(static_cast<unsigned>(number), ~0U, 0) == 0;
}

// `control` ends when the agent wants no more of it, or is no more.
[[noreturn]] void Supervise(char* const* argv, char* const* environment,
                            Files files, int control, int word, Limits limits,
                            int grace_ms) {
  setpgid(0, 0);
  if (!KeepOnly(&files, &control, &word)) _exit(1);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const pid_t child = Clone();
  if (child < 0) {
    SayWord(word, {Word::Kind::kNotStarted, errno});
    _exit(1);
  }
  if (child == 0) BecomeProgram(argv, environment, files, word, limits);
  const int program = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  pollfd entries[] = {{.fd = program, .events = POLLIN, .revents = 0},
                      {.fd = control, .events = POLLIN, .revents = 0}};
  while (poll(entries, 2, -1) < 0 && errno == EINTR) {
  }
  if (entries[0].revents == 0 && grace_ms > 0) {
    kill(-child, SIGTERM);
    Waits(program, grace_ms);
  }
  // Not yet reaped, so the group's number cannot be anybody else's.
  kill(-child, SIGKILL);
  int status = 0;
  while (true) {
    KillChildren();
    int one = 0;
    const pid_t dead = waitpid(-1, &one, 0);
    if (dead == child) status = one;
    if (dead < 0 && errno == ECHILD) break;
  }
  SayWord(word, {Word::Kind::kEnded, status});
  _exit(0);
}

// Ends a supervisor whose children do not: what hangs in the kernel cannot be
// waited for and is left to init. Returns their pidfds, for whoever counts
// them.
std::vector<int> Abandon(pid_t supervisor) {
  // A stopped one reaps nothing, so that no number here becomes another's.
  kill(supervisor, SIGSTOP);
  int status = 0;
  while (waitpid(supervisor, &status, WUNTRACED) < 0 && errno == EINTR) {
  }
  if (!WIFSTOPPED(status)) return {};  // it has ended after all
  std::vector<int> left;
  std::ifstream children(
      absl::StrCat("/proc/", supervisor, "/task/", supervisor, "/children"));
  for (pid_t child = 0; children >> child;) {
    const int pidfd = OpenPidfd(child);
    if (pidfd >= 0) left.push_back(pidfd);
  }
  kill(supervisor, SIGKILL);
  return left;
}

absl::StatusOr<ProcessResult> RunSupervised(
    const std::vector<std::string>& argv, const Files& files,
    const ProcessOptions& options, const Running& running, const Stop& stop) {
  std::vector<char*> arguments = Arguments(argv);
  int control[2];
  int word[2];
  if (pipe2(control, O_CLOEXEC) != 0) return Errno("no pipe", errno);
  const Descriptor control_read(control[0]);
  auto control_write = std::make_unique<Descriptor>(control[1]);
  if (pipe2(word, O_CLOEXEC) != 0) return Errno("no pipe", errno);
  const Descriptor word_read(word[0]);
  auto word_write = std::make_unique<Descriptor>(word[1]);
  const auto grace_ms =
      static_cast<int>(absl::ToInt64Milliseconds(options.grace));
  const pid_t pid = Clone();
  if (pid == 0) {
    close(control[1]);
    Supervise(
        arguments.data(), kEnvironment, files, control[0], word[1],
        {.memory = options.most_memory, .capabilities = options.capabilities},
        grace_ms);
  }
  if (pid < 0) {
    return Errno(absl::StrCat("'", argv[0], "' could not be started"), errno);
  }
  word_write.reset();
  const Descriptor pidfd(OpenPidfd(pid));
  ProcessResult result;
  if (pidfd.get() < 0 || !WaitFor(pidfd.get(), options.timeout, &stop)) {
    result.stopped = stop.IsSet();
    result.timed_out = !result.stopped;
    control_write.reset();
    if (pidfd.get() < 0 ||
        !WaitFor(pidfd.get(), options.grace + options.patience, nullptr)) {
      const std::vector<int> left = Abandon(pid);
      HungProcesses::Here().Add(running.what, Where(running, files), left);
      if (!left.empty()) result.hung = HungProcesses::Here().Count();
    }
  }
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  int status = SIGKILL;  // the program killed who watched it
  SLUICE_RETURN_IF_ERROR(TakeWords(word_read.get(), argv[0], &status));
  SetStatus(status, result);
  return result;
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

std::string HungNote(const ProcessResult& result) {
  if (result.hung == 0) return "";
  return absl::StrCat("; its process hangs in the kernel (", result.hung,
                      result.hung == 1 ? " does" : " do", " now; while ",
                      HungProcesses::kMost,
                      " do, no other is started): look for a mount whose "
                      "server is gone");
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
  const Files files{input.get(), output.get(),
                    options.errors_apart ? apart.get() : output.get()};
  const Running running{
      options.what.empty()
          ? absl::StrCat(absl::StrJoin(argv, "\n"), options.input)
          : options.what,
      options.errors_apart ? "" : OneLine(argv[0], 120)};
  const bool keeps = options.leftovers == Leftovers::kKeep;
  if (!keeps && options.bounded) {
    SLUICE_RETURN_IF_ERROR(HungProcesses::Here().MayStart(running.what));
  }
  absl::StatusOr<ProcessResult> result =
      keeps ? RunScript(argv, files, options, running, stop)
            : RunSupervised(argv, files, options, running, stop);
  if (!result.ok()) return result.status();
  result->output = TakeOutput(output.get(), most, &result->output_full);
  bool ignored = false;
  if (options.errors_apart) {
    result->errors = TakeOutput(apart.get(), kMaxOutput, &ignored);
  }
  return result;
}

}  // namespace sluice::agent
