#include "agents/host/isolate_command.h"

#include <signal.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/host/driver.h"
#include "agents/host/state_store.h"

namespace sluice::agent {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

// The quarantine number on disk; 0 when there is none.
uint64_t NumberOnDisk(const std::string& directory) {
  const absl::StatusOr<std::string> text = FileStateStore::ReadState(directory);
  if (!text.ok()) return 0;
  const absl::StatusOr<AgentState> state = AgentState::Decode(*text);
  return state.ok() ? state->quarantine_number : 0;
}

bool IsIsolated(const FenceReading& reading) {
  return reading.mode == Mode::kQuarantined && reading.releases.empty() &&
         reading.standing.empty();
}

// None: who held the state holds it no more, and it was perhaps no agent.
std::optional<absl::StatusOr<std::string>> AskRunningAgent(
    const std::string& directory, pid_t agent, Fence& fence) {
  const uint64_t before = NumberOnDisk(directory);
  if (kill(agent, SIGUSR1) != 0) {
    if (errno == ESRCH) return std::nullopt;
    return absl::PermissionDeniedError(absl::StrCat(
        "the agent, process ", agent,
        ", could not be asked: ", std::strerror(errno), "; run this as root"));
  }
  const absl::Time until = absl::Now() + kPatience;
  while (absl::Now() < until) {
    const uint64_t number = NumberOnDisk(directory);
    if (number > before) {
      return absl::StrCat("This host is in its quarantine ", number,
                          ": the running agent put the fence up.");
    }
    if (FileStateStore::Holder(directory) != agent) return std::nullopt;
    absl::SleepFor(absl::Milliseconds(20));  // polls another process
  }
  // S9: no number on disk is not the same as no fence.
  const absl::StatusOr<FenceReading> reading = fence.Read();
  if (reading.ok() && IsIsolated(*reading)) {
    return absl::StrCat(
        "This host's kernel holds its fence and nothing is open, but the "
        "agent, process ",
        agent, ", has not written it down within ",
        absl::FormatDuration(kPatience),
        ": look at its log and free its disk before the host reboots.");
  }
  return absl::DeadlineExceededError(absl::StrCat(
      "the agent, process ", agent, ", did not write down an isolation within ",
      absl::FormatDuration(kPatience),
      "; look at its log, stop it, and run this again"));
}

}  // namespace

absl::StatusOr<std::string> IsolateNow(
    const CoreOptions& options, const std::string& state_directory,
    Fence& fence, const std::function<void(const std::string&)>& log) {
  std::optional<FileStateStore> store;
  for (const absl::Time until = absl::Now() + kPatience; !store.has_value();) {
    if (const pid_t agent = FileStateStore::Holder(state_directory);
        agent > 0) {
      const auto said = AskRunningAgent(state_directory, agent, fence);
      if (said.has_value()) return *said;
    }
    absl::StatusOr<FileStateStore> opened =
        FileStateStore::Open(state_directory);
    if (opened.ok()) {
      store.emplace(*std::move(opened));
    } else if (!absl::IsAlreadyExists(opened.status()) ||
               absl::Now() >= until) {
      return opened.status();
    }  // else somebody was quicker: the agent, or a command like this one
  }
  Driver driver(options, {.fence = &fence,
                          .store = &*store,
                          .now = TimeSinceBoot,
                          .start_checks = [](StartChecks) {},
                          .start_tries = [](StartTries) {},
                          .start_unit = [](StartUnitNow) {},
                          .send = [](const Message&) {},
                          .hang_up = [](const std::string&) {},
                          .log = log});
  driver.Start(ReadBootId(), static_cast<uint64_t>(std::time(nullptr)));
  driver.Post(IsolatedLocally{kIsolatedByRoot});
  driver.Drain();
  // What the kernel says, not what was meant (S5).
  const absl::StatusOr<FenceReading> reading = fence.Read();
  if (!reading.ok()) return reading.status();
  if (!IsIsolated(*reading)) {
    return absl::InternalError(
        "this host is NOT isolated; the lines above say why. Pull its cable "
        "if it has to be cut off now");
  }
  return absl::StrCat("This host is in its quarantine ",
                      driver.state().quarantine_number,
                      ". Start sluice-agent so that it can come back.");
}

}  // namespace sluice::agent
