#include "agents/host/isolate_command.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <variant>

#include "absl/strings/str_cat.h"
#include "agents/host/driver.h"
#include "agents/host/enrol_command.h"
#include "agents/host/root_command.h"
#include "agents/host/state_store.h"

namespace sluice::agent {
namespace {

constexpr char kRequest[] = "/isolate.request";

// The quarantine number on disk; 0 when there is none.
uint64_t NumberOnDisk(const std::string& directory) {
  const absl::StatusOr<std::string> text = FileStateStore::ReadState(directory);
  if (!text.ok()) return 0;
  const absl::StatusOr<AgentState> state = AgentState::Decode(*text);
  return state.ok() ? state->quarantine_number : 0;
}

// Nothing passes but what this host's own file keeps.
bool IsIsolated(const FenceReading& reading, const CoreOptions& options) {
  const auto kept = [&](const Flow& flow) {
    for (const auto* flows : {&options.vital, &options.management}) {
      if (std::find(flows->begin(), flows->end(), flow) != flows->end()) {
        return true;
      }
    }
    return false;
  };
  return reading.mode == Mode::kQuarantined && reading.releases.empty() &&
         std::all_of(reading.standing.begin(), reading.standing.end(), kept);
}

std::string Who(const RootTarget& of) {
  return of.driven ? of.host.str() : "this host";
}

absl::Status NotIsolated(const RootTarget& of) {
  return absl::InternalError(absl::StrCat(
      Who(of), " is NOT isolated; ",
      of.driven ? "what its driver said is in the agent's log, or above. Close "
                  "it by hand, or isolate what it talks to"
                : "the lines above say why. Pull its cable if it has to be cut "
                  "off now"));
}

absl::StatusOr<std::string> NotWritten(const CoreOptions& options,
                                       const RootTarget& of, Fence& fence,
                                       pid_t agent, absl::Duration patience) {
  // S9: no number on disk is not the same as no fence.
  const absl::StatusOr<FenceReading> reading = fence.Read();
  if (reading.ok() && IsIsolated(*reading, options)) {
    return absl::StrCat(
        of.driven ? absl::StrCat(of.host.str(), " is closed, its driver says")
                  : "This host's kernel holds its fence and nothing is open",
        ", but the agent, process ", agent, ", has not written it down within ",
        absl::FormatDuration(patience),
        ": look at its log and free its disk before the host reboots.");
  }
  return absl::DeadlineExceededError(absl::StrCat(
      "the agent, process ", agent, ", did not write down an isolation of ",
      Who(of), " within ", absl::FormatDuration(patience),
      "; look at its log, stop it, and run this again"));
}

}  // namespace

std::string IsolatedByRoot(const HostId& acting) {
  return acting.empty()
             ? "root on this host isolated it (sluice-agent isolate)"
             : absl::StrCat("root on ", acting.str(),
                            " isolated it (sluice-agent isolate --point)");
}

bool TakeIsolationRequest(const std::string& state_directory) {
  return unlink(absl::StrCat(state_directory, kRequest).c_str()) == 0;
}

absl::StatusOr<std::string> IsolateNow(
    const CoreOptions& options, const RootTarget& of, Fence& fence,
    const std::function<void(const std::string&)>& log) {
  uint64_t before = 0;
  RootRequest request;
  // A point's agent is told to look into its directory.
  request.signal = of.driven ? SIGUSR2 : SIGUSR1;
  request.patience = PatienceFor(of);
  request.prepare = [&] {
    before = NumberOnDisk(of.state);
    return of.driven ? WriteSecretFile(absl::StrCat(of.state, kRequest),
                                       IsolatedByRoot(options.driven_by))
                     : absl::OkStatus();
  };
  request.answer = [&]() -> std::optional<absl::StatusOr<std::string>> {
    const uint64_t number = NumberOnDisk(of.state);
    if (number <= before) return std::nullopt;
    if (!of.driven) {
      return absl::StrCat("This host is in its quarantine ", number,
                          ": the running agent put the fence up.");
    }
    // A driver fails more often than a kernel: it is asked once more.
    const absl::StatusOr<FenceReading> reading = fence.Read();
    if (!reading.ok()) return reading.status();
    if (!IsIsolated(*reading, options)) return NotIsolated(of);
    return absl::StrCat(of.host.str(), " is in its quarantine ", number,
                        ": the running agent had it closed, and its driver "
                        "says so.");
  };
  request.late = [&](pid_t agent, absl::Duration patience) {
    return NotWritten(options, of, fence, agent, patience);
  };
  auto held = AskOrHold(of.state, request);
  if (!held.ok()) return held.status();
  if (const auto* said = std::get_if<std::string>(&*held)) return *said;
  TakeIsolationRequest(of.state);  // left by a holder that was no agent
  Driver driver(options,
                AlonePorts(fence, std::get<FileStateStore>(*held), log));
  driver.Start(ReadBootId(), static_cast<uint64_t>(std::time(nullptr)));
  driver.Post(IsolatedLocally{IsolatedByRoot(options.driven_by)});
  driver.Drain();
  // What the kernel says, not what was meant (S5).
  const absl::StatusOr<FenceReading> reading = fence.Read();
  if (!reading.ok()) return reading.status();
  if (!IsIsolated(*reading, options)) return NotIsolated(of);
  return absl::StrCat(of.driven ? of.host.str() : "This host",
                      " is in its quarantine ",
                      driver.state().quarantine_number,
                      ". Start sluice-agent so that it can come back.");
}

}  // namespace sluice::agent
