#include "orchestrator/cli/sign.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/contract.h"

extern char** environ;

namespace sluice::cli {
namespace {

constexpr size_t kMaxSignature = 64 << 10;

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return number_; }
  void Close() {
    if (number_ >= 0) close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

// Feeds `text` and takes what comes back, both at once: either side may have
// more to say than a pipe holds.
absl::Status Converse(Descriptor& to, Descriptor& from, absl::string_view text,
                      std::string* answer) {
  fcntl(to.get(), F_SETFL, O_NONBLOCK);
  while (true) {
    if (text.empty()) to.Close();
    pollfd both[2] = {{from.get(), POLLIN, 0}, {to.get(), POLLOUT, 0}};
    if (poll(both, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, "waiting for ssh-keygen");
    }
    if (both[1].revents != 0 && to.get() >= 0) {
      const ssize_t wrote = write(to.get(), text.data(), text.size());
      if (wrote > 0) text.remove_prefix(static_cast<size_t>(wrote));
      if (wrote < 0 && errno != EAGAIN && errno != EINTR) text = {};
    }
    if (both[0].revents == 0) continue;
    char buffer[4096];
    const ssize_t got = read(from.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return absl::OkStatus();
    answer->append(buffer, static_cast<size_t>(got));
    if (answer->size() > kMaxSignature) {
      return absl::InternalError("ssh-keygen wrote far more than a signature");
    }
  }
}

absl::StatusOr<std::string> Run(const std::vector<std::string>& argv,
                                absl::string_view text) {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  Descriptor child_in(in[0]);
  Descriptor to(in[1]);
  if (pipe2(out, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  Descriptor from(out[0]);
  Descriptor child_out(out[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, child_in.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, child_out.get(), 1);
  std::vector<char*> arguments;
  for (const std::string& one : argv) {
    arguments.push_back(const_cast<char*>(one.c_str()));
  }
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, arguments[0], &actions, nullptr,
                                  arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return absl::NotFoundError(
        absl::StrCat("ssh-keygen could not be run (", std::strerror(failed),
                     "); install OpenSSH's client, or sign elsewhere: `sluice "
                     "gate export`"));
  }
  child_in.Close();
  child_out.Close();
  std::string answer;
  const auto was = signal(SIGPIPE, SIG_IGN);
  const absl::Status talked = Converse(to, from, text, &answer);
  signal(SIGPIPE, was);
  to.Close();
  from.Close();
  int state = 0;
  while (waitpid(pid, &state, 0) < 0 && errno == EINTR) {
  }
  if (!talked.ok()) return talked;
  if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
    return absl::FailedPreconditionError(
        "ssh-keygen did not sign; its own words stand above");
  }
  return answer;
}

}  // namespace

absl::StatusOr<std::string> FindSigningKey(const std::string& named,
                                           const ClientConfig& config) {
  if (!named.empty()) return named;
  if (!config.signing_key.empty()) return config.signing_key;
  if (const char* home = std::getenv("HOME"); home != nullptr && *home) {
    for (const char* name :
         {"id_ed25519_sk", "id_ecdsa_sk", "id_ed25519", "id_ecdsa", "id_rsa"}) {
      std::string path = absl::StrCat(home, "/.ssh/", name);
      if (access(path.c_str(), R_OK) == 0) return path;
      absl::StrAppend(&path, ".pub");
      if (access(path.c_str(), R_OK) == 0) return path;
    }
  }
  return absl::NotFoundError(absl::StrCat(
      "there is no key to sign with: name your SSH key with --key FILE or as "
      "`signing-key:` in ",
      config.file, " (its .pub when an ssh-agent holds it)"));
}

absl::StatusOr<std::string> SignText(const std::string& key,
                                     absl::string_view name_space,
                                     absl::string_view text) {
  if (access(key.c_str(), R_OK) != 0) {
    return absl::NotFoundError(absl::StrCat(
        "the key '", key, "' cannot be read (", std::strerror(errno),
        "); name your SSH key with --key FILE"));
  }
  absl::StatusOr<std::string> signature =
      Run({"ssh-keygen", "-q", "-Y", "sign", "-n", std::string(name_space),
           "-f", key},
          text);
  if (!signature.ok()) return signature.status();
  if (!absl::StartsWith(*signature, "-----BEGIN SSH SIGNATURE-----")) {
    return absl::FailedPreconditionError(
        "ssh-keygen gave no signature; this needs OpenSSH 8.2 or newer");
  }
  return signature;
}

}  // namespace sluice::cli
