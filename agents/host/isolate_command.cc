#include "agents/host/isolate_command.h"

#include <signal.h>

#include <ctime>
#include <optional>
#include <variant>

#include "absl/strings/str_cat.h"
#include "agents/host/driver.h"
#include "agents/host/root_command.h"
#include "agents/host/state_store.h"

namespace sluice::agent {
namespace {

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

absl::StatusOr<std::string> NotWritten(Fence& fence, pid_t agent,
                                       absl::Duration patience) {
  // S9: no number on disk is not the same as no fence.
  const absl::StatusOr<FenceReading> reading = fence.Read();
  if (reading.ok() && IsIsolated(*reading)) {
    return absl::StrCat(
        "This host's kernel holds its fence and nothing is open, but the "
        "agent, process ",
        agent, ", has not written it down within ",
        absl::FormatDuration(patience),
        ": look at its log and free its disk before the host reboots.");
  }
  return absl::DeadlineExceededError(absl::StrCat(
      "the agent, process ", agent, ", did not write down an isolation within ",
      absl::FormatDuration(patience),
      "; look at its log, stop it, and run this again"));
}

}  // namespace

absl::StatusOr<std::string> IsolateNow(
    const CoreOptions& options, const std::string& state_directory,
    Fence& fence, const std::function<void(const std::string&)>& log) {
  uint64_t before = 0;
  RootRequest request;
  request.signal = SIGUSR1;
  request.prepare = [&] {
    before = NumberOnDisk(state_directory);
    return absl::OkStatus();
  };
  request.answer = [&]() -> std::optional<absl::StatusOr<std::string>> {
    const uint64_t number = NumberOnDisk(state_directory);
    if (number <= before) return std::nullopt;
    return absl::StrCat("This host is in its quarantine ", number,
                        ": the running agent put the fence up.");
  };
  request.late = [&fence](pid_t agent, absl::Duration patience) {
    return NotWritten(fence, agent, patience);
  };
  auto held = AskOrHold(state_directory, request);
  if (!held.ok()) return held.status();
  if (const auto* said = std::get_if<std::string>(&*held)) return *said;
  Driver driver(options,
                AlonePorts(fence, std::get<FileStateStore>(*held), log));
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
