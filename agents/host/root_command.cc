#include "agents/host/root_command.h"

#include <signal.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/core/state.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

// Between two looks at another process.
constexpr absl::Duration kPoll = absl::Milliseconds(20);
// An order to a point asks at the most so many things of its driver.
constexpr int kDriverCalls = 8;

// None: it holds the state no more, and was perhaps no agent.
std::optional<absl::StatusOr<std::string>> Ask(const std::string& directory,
                                               pid_t agent,
                                               const RootRequest& request) {
  if (absl::Status status = request.prepare(); !status.ok()) return status;
  if (kill(agent, request.signal) != 0) {
    if (errno == ESRCH) return std::nullopt;
    return absl::PermissionDeniedError(absl::StrCat(
        "the agent, process ", agent,
        ", could not be asked: ", std::strerror(errno), "; run this as root"));
  }
  const absl::Time until = absl::Now() + request.patience;
  while (absl::Now() < until) {
    if (auto answer = request.answer(); answer.has_value()) return answer;
    if (FileStateStore::Holder(directory) != agent) return std::nullopt;
    absl::SleepFor(kPoll);  // polls another process
  }
  return request.late(agent, request.patience);
}

}  // namespace

absl::StatusOr<RootTarget> FindRootTarget(const AgentConfig& config,
                                          const std::string& point) {
  if (point.empty()) return RootTarget{config.host, config.state};
  const auto rule = config.drivers.find(HostId(point));
  if (rule == config.drivers.end()) {
    return absl::NotFoundError(absl::StrCat(
        "this host acts for no point '", OneLine(point, 60),
        "': the points are those under `drivers` in its agent.yaml; run this "
        "on the host whose agent acts for it"));
  }
  return RootTarget{rule->first, PointState(config, rule->first), true,
                    rule->second.timeout};
}

absl::Duration PatienceFor(const RootTarget& target) {
  return RootRequest().patience + kDriverCalls * target.driver_timeout;
}

absl::StatusOr<std::variant<std::string, FileStateStore>> AskOrHold(
    const std::string& state_directory, const RootRequest& request) {
  const absl::Time until = absl::Now() + request.patience;
  while (true) {
    if (const pid_t agent = FileStateStore::Holder(state_directory);
        agent > 0) {
      if (auto answer = Ask(state_directory, agent, request);
          answer.has_value()) {
        if (!answer->ok()) return answer->status();
        return **std::move(answer);
      }
    }
    absl::StatusOr<FileStateStore> store =
        FileStateStore::Open(state_directory);
    if (store.ok()) return *std::move(store);
    if (!absl::IsAlreadyExists(store.status()) || absl::Now() >= until) {
      return store.status();
    }
    absl::SleepFor(kPoll);  // polls another process: somebody was quicker
  }
}

DriverPorts AlonePorts(Fence& fence, StateStore& store,
                       std::function<void(const std::string&)> log) {
  return {.fence = &fence,
          .store = &store,
          .now = TimeSinceBoot,
          .start_checks = [](StartChecks) {},
          .start_tries = [](StartTries) {},
          .start_unit = [](StartUnitNow) {},
          .send = [](const Message&) {},
          .hang_up = [](const std::string&) {},
          .log = std::move(log)};
}

}  // namespace sluice::agent
