#include "agents/host/status_command.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <string>

#include "absl/strings/match.h"
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
      return {false, absl::StrCat("the state is gone, so isolated; ", witness,
                                  " says that there was one")};
    }
    return {true, "no state; never isolated"};
  }
  const absl::StatusOr<AgentState> state =
      text.ok() ? AgentState::Decode(*text) : text.status();
  if (!state.ok()) {
    return {false, absl::StrCat("cannot be believed, so isolated: ",
                                state.status().message())};
  }
  if (state->mode == Mode::kOpen) return {true, "open"};
  const SensorPast* const past = state->past.get();
  return {false, absl::StrCat("in quarantine ", state->quarantine_number, ": ",
                              state->reason,
                              past == nullptr ? ""
                              : past->times == 1
                                  ? "; its sensor was begun anew once"
                                  : absl::StrCat("; its sensor was begun anew ",
                                                 past->times, " times"))};
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

// A point that this host's agent acts for is as good as stranded when the agent
// goes: nobody else opens it again. What agent.yaml no longer names counts too.
Part Points(const std::string& state_directory) {
  constexpr absl::string_view kPoint = "point-";
  std::set<std::string> names;
  DIR* const opened = opendir(state_directory.c_str());
  if (opened == nullptr) {
    if (errno == ENOENT) return {true, ""};
    return {false, absl::StrCat(state_directory, " cannot be read: ",
                                std::strerror(errno), "\n")};
  }
  while (const dirent* const entry = readdir(opened)) {
    const absl::string_view name = entry->d_name;
    if (absl::StartsWith(name, kPoint)) names.emplace(name);
  }
  closedir(opened);
  Part all = {true, ""};
  for (const std::string& name : names) {
    const std::string directory = absl::StrCat(state_directory, "/", name);
    const Part one = OnDisk(directory, absl::StrCat(directory, "/state"));
    if (one.open) continue;
    all.open = false;
    absl::StrAppend(&all.text, "acts for:  ", name.substr(kPoint.size()), ": ",
                    one.text, "\n");
  }
  return all;
}

}  // namespace

HostStatus StatusOfHost(const std::string& state_directory,
                        const std::string& witness, Fence& fence) {
  const Part disk = OnDisk(state_directory, witness);
  const Part kernel = InKernel(fence);
  const Part points = Points(state_directory);
  return {disk.open && kernel.open && points.open,
          absl::StrCat("on disk:   ", disk.text, "\n", kernel.text, "\n",
                       points.text)};
}

}  // namespace sluice::agent
