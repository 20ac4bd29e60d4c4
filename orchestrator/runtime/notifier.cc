#include "orchestrator/runtime/notifier.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace sluice::runtime {
namespace {

constexpr size_t kMaxWaiting = 64;

bool IsWorthTelling(const HistoryLine& line) {
  return line.kind == "gate" || line.kind == "hold" ||
         line.kind == "isolation" || line.kind == "alarm";
}

// One line, so that a script may `read` it. Bytes that are no UTF-8 are
// replaced, never a reason not to tell.
std::string JsonOf(const std::string& estate, const HistoryLine& line) {
  using Json = nlohmann::ordered_json;
  const Json json = {
      {"estate", estate},
      {"kind", line.kind},
      {"at", absl::FormatTime(absl::RFC3339_sec, line.at, absl::UTCTimeZone())},
      {"sequence", line.sequence},
      {"who", line.who},
      {"text", line.text}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

// A command that does not read its input must not end us: SIGPIPE is held back
// in this thread for as long as this lives, and forgotten.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    const timespec at_once = {0, 0};
    while (sigtimedwait(&pipe_, nullptr, &at_once) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
};

// Starts argv with `input_fd` as its standard input, in a process group of its
// own, with no other descriptor of ours.
absl::Status Spawn(const std::vector<std::string>& argv, int input_fd,
                   pid_t* child) {
  std::vector<char*> words;
  for (const std::string& word : argv) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  char path[] =
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
      "/bin";
  char* const environment[] = {path, nullptr};

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input_fd, 0);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t usual;
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
                                            POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF);
  const int error = posix_spawnp(child, words[0], &files, &attributes,
                                 words.data(), environment);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error == 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(
      "notify command ", argv[0], " cannot be started (", strerror(error),
      "); look at 'notify' in the configuration"));
}

// Feeds the input and waits for the end, as long as `deadline` allows.
bool FeedAndWait(const std::string& input, Descriptor* pipe, int child_fd,
                 absl::Time deadline) {
  size_t written = 0;
  while (true) {
    if (written == input.size()) pipe->Close();
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    pollfd wait[2] = {{child_fd, POLLIN, 0}, {pipe->get(), POLLOUT, 0}};
    const int ready =
        poll(wait, 2, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    if (wait[0].revents != 0) return true;
    if (wait[1].revents == 0) continue;
    const ssize_t size =
        write(pipe->get(), input.data() + written, input.size() - written);
    if (size > 0) {
      written += static_cast<size_t>(size);
    } else if (errno != EAGAIN && errno != EINTR) {
      written = input.size();  // it does not want to read; that is its right
    }
  }
}

}  // namespace

absl::Status RunCommand(const std::vector<std::string>& argv,
                        const std::string& input, absl::Duration timeout) {
  const NoPipeSignal no_pipe_signal;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no pipe for the notify command (", strerror(errno),
                     "); raise the limit of open files"));
  }
  Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  // Only our end must not block.
  fcntl(read_end.get(), F_SETFL, 0);
  pid_t child = 0;
  const absl::Status spawned = Spawn(argv, read_end.get(), &child);
  if (!spawned.ok()) return spawned;
  read_end.Close();
  Descriptor child_fd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  const bool ended =
      FeedAndWait(input, &write_end, child_fd.get(), absl::Now() + timeout);
  if (!ended) kill(-child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) {
    return absl::DeadlineExceededError(
        absl::StrCat("notify command ", argv[0], " was not done after ",
                     absl::FormatDuration(timeout), " and was ended"));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "notify command ", argv[0],
      WIFEXITED(status) ? absl::StrCat(" failed with ", WEXITSTATUS(status))
                        : absl::StrCat(" died of signal ", WTERMSIG(status)),
      "; try it by hand"));
}

Notifier::Notifier(std::string estate, std::vector<std::string> argv,
                   absl::Duration timeout)
    : estate_(std::move(estate)), argv_(std::move(argv)), timeout_(timeout) {
  if (!argv_.empty()) thread_ = std::thread([this] { Run(); });
}

Notifier::~Notifier() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Notifier::Tell(const HistoryLine& line) {
  if (argv_.empty() || !IsWorthTelling(line)) return;
  std::string text = JsonOf(estate_, line);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (waiting_.size() >= kMaxWaiting) {
      NotTold(line.at, "it is slower than what happens");
      return;
    }
    waiting_.push_back(std::move(text));
  }
  changed_.notify_one();
}

void Notifier::NotTold(absl::Time at, absl::string_view why) {
  if (not_told_++ == 0) not_told_since_ = at;
  why_ = std::string(why);
}

std::string Notifier::problem() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (not_told_ == 0) return "";
  return absl::StrCat(
      not_told_, not_told_ == 1 ? " line was" : " lines were",
      " not told to anybody since ",
      absl::FormatTime("%H:%M", not_told_since_, absl::UTCTimeZone()),
      " UTC: ", why_);
}

void Notifier::Run() {
  while (true) {
    std::string text;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
      if (stop_) return;
      text = std::move(waiting_.front());
      waiting_.pop_front();
    }
    const absl::Status status = RunCommand(argv_, text, timeout_);
    if (!status.ok()) spdlog::warn("{}", std::string(status.message()));
    const std::lock_guard<std::mutex> lock(mutex_);
    if (status.ok()) {
      not_told_ = 0;
    } else {
      NotTold(absl::Now(), status.message());
    }
  }
}

}  // namespace sluice::runtime
