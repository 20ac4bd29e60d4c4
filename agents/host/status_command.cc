#include "agents/host/status_command.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "agents/core/state.h"
#include "agents/host/state_store.h"

namespace sluice::agent {
namespace {

struct Part {
  bool open = false;
  std::string text;
};

Part OnDisk(const std::string& directory, const std::string& witness) {
  const absl::StatusOr<std::string> text = FileStateStore::ReadState(directory);
  if (absl::IsNotFound(text.status())) {
    if (access(witness.c_str(), F_OK) == 0) {
      return {false, absl::StrCat("on disk:   the state is gone, so isolated; ",
                                  witness, " says that there was one")};
    }
    return {true, "on disk:   no state; this host was never isolated"};
  }
  const absl::StatusOr<AgentState> state =
      text.ok() ? AgentState::Decode(*text) : text.status();
  if (!state.ok()) {
    return {false, absl::StrCat("on disk:   cannot be believed, so isolated: ",
                                state.status().message())};
  }
  if (state->mode == Mode::kOpen) return {true, "on disk:   open"};
  return {false, absl::StrCat("on disk:   in quarantine ",
                              state->quarantine_number, ": ", state->reason)};
}

Part InKernel(Fence& fence) {
  const absl::StatusOr<FenceReading> reading = fence.Read();
  if (!reading.ok()) {
    return {false, absl::StrCat("in kernel: cannot be read: ",
                                reading.status().message())};
  }
  if (reading->mode == Mode::kOpen) return {true, "in kernel: no fence"};
  size_t leased = 0;
  for (const auto& release : reading->releases) {
    if (release.remaining > absl::ZeroDuration()) {
      leased += release.flows.size();
    }
  }
  return {false, absl::StrCat("in kernel: the fence is up; open through it: ",
                              reading->management.size(), " management, ",
                              reading->vital.size(), " vital, ",
                              reading->standing.size(), " standing, ", leased,
                              " leased flows")};
}

}  // namespace

HostStatus StatusOfHost(const std::string& state_directory,
                        const std::string& witness, Fence& fence) {
  const Part disk = OnDisk(state_directory, witness);
  const Part kernel = InKernel(fence);
  return {disk.open && kernel.open,
          absl::StrCat(disk.text, "\n", kernel.text, "\n")};
}

}  // namespace sluice::agent
