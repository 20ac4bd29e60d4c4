#include "agents/host/release_command.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "agents/host/driver.h"
#include "agents/host/enrol_command.h"
#include "agents/host/root_command.h"
#include "agents/host/state_store.h"
#include "common/break_glass.h"
#include "common/digest.h"
#include "common/signature.h"
#include "common/status.h"

extern char** environ;

namespace sluice::agent {
namespace {

constexpr size_t kMaxBytes = 128 << 10;
constexpr char kSignature[] = "-----BEGIN SSH SIGNATURE-----";
constexpr char kDraft[] = "release.text";
constexpr char kRequest[] = "release.request";
constexpr char kAnswer[] = "release.answer";

std::string In(const std::string& directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": far more than a release and its signature"));
  }
  return text;
}

absl::StatusOr<std::vector<Flow>> FlowsOf(const ReleaseWish& wish) {
  std::vector<Flow> flows;
  for (const std::string& line : wish.flows) {
    const absl::StatusOr<Flow> flow = Flow::Parse(line);
    if (!flow.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--flow '", OneLine(line, 100), "': ", flow.status().message()));
    }
    flows.push_back(*flow);
  }
  std::sort(flows.begin(), flows.end());
  flows.erase(std::unique(flows.begin(), flows.end()), flows.end());
  return flows;
}

// What ReleaseNow() has left; it is taken away by that.
absl::StatusOr<ReleasedLocally> ReadRequest(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  unlink(path.c_str());
  if (!text.ok()) return text.status();
  const size_t at = text->find(absl::StrCat("\n", kSignature));
  if (at == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": it holds no signature"));
  }
  return ReleasedLocally{text->substr(0, at + 1), text->substr(at + 1)};
}

// Of the running agent, about the text with this digest; none: not yet.
std::optional<absl::StatusOr<std::string>> ReadAnswer(
    const std::string& path, const std::string& digest) {
  const absl::StatusOr<std::string> answer = ReadFile(path);
  const std::vector<std::string> parts =
      absl::StrSplit(answer.value_or(""), absl::MaxSplits(' ', 2));
  if (parts.size() != 3 || parts[0] != digest) return std::nullopt;
  unlink(path.c_str());
  if (parts[1] == "done") return parts[2];
  return absl::FailedPreconditionError(parts[2]);
}

}  // namespace

absl::StatusOr<std::string> DraftRelease(const AgentConfig& config,
                                         const RootTarget& of,
                                         const ReleaseWish& wish,
                                         const std::string& boot_id,
                                         absl::Duration now) {
  if (config.break_glass.empty()) {
    return absl::FailedPreconditionError(
        "this host's agent.yaml pins no break-glass key, so it opens by its "
        "gates alone; to have a key in the next incident, write `break-glass: "
        "{key: …}` there");
  }
  SLUICE_ASSIGN_OR_RETURN(const std::string on_disk,
                          FileStateStore::ReadState(of.state));
  SLUICE_ASSIGN_OR_RETURN(const AgentState state, AgentState::Decode(on_disk));
  if (state.mode != Mode::kQuarantined) {
    return absl::FailedPreconditionError(
        absl::StrCat(of.driven ? of.host.str() : "this host",
                     " is not in quarantine, so there is nothing to open"));
  }
  if (of.driven && wish.everything) {
    return absl::InvalidArgumentError(
        absl::StrCat("no driver takes the fence of ", of.host.str(),
                     " away: name what is to open with --flow, one for each"));
  }
  BreakGlass glass;
  SLUICE_ASSIGN_OR_RETURN(glass.flows, FlowsOf(wish));
  if (wish.everything != glass.flows.empty()) {
    return absl::InvalidArgumentError(
        "say what is to open: --everything, or one --flow for each "
        "(`sluice-agent doctor` shows flows as they are written)");
  }
  absl::Duration valid;
  if (!absl::ParseDuration(wish.valid, &valid)) {
    return absl::InvalidArgumentError(
        "--valid is how long the text may be used, such as 30m");
  }
  glass.estate = config.estate;
  glass.host = of.host;
  glass.quarantine_number = state.quarantine_number;
  // The boot that whoever is to judge the text knows: in a container of
  // systemd's, the agent in its unit's box sees another than a shell does.
  glass.boot = FileStateStore::Holder(of.state) > 0 ? state.boot_id : boot_id;
  glass.drafted_seconds = absl::ToInt64Seconds(now);
  glass.valid_seconds = absl::ToInt64Seconds(valid);
  glass.reason = OneLine(wish.reason, BreakGlass::kLongestReason + 1);
  std::string text = glass.Body();
  SLUICE_RETURN_IF_ERROR(BreakGlass::Parse(text).status());
  return text;
}

absl::StatusOr<std::string> SignRelease(const AgentConfig& config,
                                        const std::string& key,
                                        const std::string& text) {
  const std::string path = In(config.state, kDraft);
  const std::string signed_path = absl::StrCat(path, ".sig");
  unlink(signed_path.c_str());
  SLUICE_RETURN_IF_ERROR(WriteSecretFile(path, text));
  std::vector<std::string> argv = {
      "ssh-keygen", "-q", "-Y",
      "sign",       "-n", std::string(signed_as::kBreakGlass),
      "-f",         key,  path};
  std::vector<char*> arguments;
  for (std::string& one : argv) arguments.push_back(one.data());
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, arguments[0], nullptr, nullptr,
                                  arguments.data(), environ);
  if (failed != 0) {
    return absl::NotFoundError(absl::StrCat(
        "ssh-keygen could not be run (", std::strerror(failed),
        "); draft the text with --draft FILE and sign it elsewhere"));
  }
  int state = 0;
  while (waitpid(pid, &state, 0) < 0 && errno == EINTR) {
  }
  absl::StatusOr<std::string> signature = ReadFile(signed_path);
  unlink(signed_path.c_str());
  unlink(path.c_str());
  if (!WIFEXITED(state) || WEXITSTATUS(state) != 0 || !signature.ok()) {
    return absl::FailedPreconditionError(
        "ssh-keygen did not sign; its own words stand above");
  }
  return signature;
}

absl::StatusOr<ReleasedLocally> ReadSignedRelease(const std::string& file) {
  ReleasedLocally release;
  SLUICE_ASSIGN_OR_RETURN(release.text, ReadFile(file));
  const std::string beside = absl::StrCat(file, ".sig");
  const absl::StatusOr<std::string> signature = ReadFile(beside);
  if (!signature.ok()) {
    return absl::NotFoundError(
        absl::StrCat(beside, ": no signature is there; `ssh-keygen -Y sign -n ",
                     signed_as::kBreakGlass, " -f KEY ", file, "` makes it"));
  }
  release.signature = *signature;
  return release;
}

void TakeReleaseRequest(const std::string& state_directory,
                        const std::function<void(ReleasedLocally)>& post,
                        const std::function<void(const std::string&)>& log) {
  const std::string path = In(state_directory, kRequest);
  if (access(path.c_str(), F_OK) != 0) return;
  absl::StatusOr<ReleasedLocally> release = ReadRequest(path);
  if (release.ok()) {
    post(*std::move(release));
  } else {
    log(std::string(release.status().message()));
  }
}

void AnswerRelease(const std::string& state_directory, const TellRoot& answer,
                   const std::function<void(const std::string&)>& log) {
  const absl::Status said = WriteSecretFile(
      In(state_directory, kAnswer),
      absl::StrCat(answer.text_digest, answer.done ? " done " : " refused ",
                   answer.sentence));
  if (!said.ok()) log(std::string(said.message()));
}

absl::StatusOr<std::string> ReleaseNow(
    const CoreOptions& options, const RootTarget& of, const std::string& text,
    const std::string& signature, Fence& fence,
    const std::function<void(const std::string&)>& log) {
  const std::string request_path = In(of.state, kRequest);
  const std::string answer_path = In(of.state, kAnswer);
  const std::string look = of.driven
                               ? absl::StrCat("at ", of.host.str(), " itself")
                               : std::string("at `nft list table inet sluice`");
  RootRequest request;
  request.signal = SIGUSR2;
  request.patience = PatienceFor(of);
  request.prepare = [&] {
    unlink(answer_path.c_str());
    return WriteSecretFile(request_path, absl::StrCat(text, signature));
  };
  request.answer = [&, digest = Sha256(text)] {
    return ReadAnswer(answer_path, digest);
  };
  request.late = [&look](
                     pid_t agent,
                     absl::Duration patience) -> absl::StatusOr<std::string> {
    return absl::DeadlineExceededError(absl::StrCat(
        "the agent, process ", agent, ", gave no answer within ",
        absl::FormatDuration(patience), "; look at its log and ", look));
  };
  auto held = AskOrHold(of.state, request);
  if (!held.ok()) return held.status();
  if (const auto* said = std::get_if<std::string>(&*held)) return *said;
  unlink(request_path.c_str());  // left by a holder that was no agent
  std::optional<TellRoot> told;
  DriverPorts ports = AlonePorts(fence, std::get<FileStateStore>(*held), log);
  ports.tell_root = [&told](const TellRoot& tell) { told = tell; };
  Driver driver(options, std::move(ports));
  driver.Start(ReadBootId(), static_cast<uint64_t>(std::time(nullptr)));
  driver.Post(ReleasedLocally{text, signature});
  driver.Drain();
  if (!told.has_value()) {
    return absl::DeadlineExceededError(absl::StrCat(
        "the disk of this host does not answer, so nothing is for sure; look ",
        look));
  }
  if (!told->done) return absl::FailedPreconditionError(told->sentence);
  return absl::StrCat(told->sentence,
                      " Start sluice-agent: it tells the orchestrator why.");
}

}  // namespace sluice::agent
