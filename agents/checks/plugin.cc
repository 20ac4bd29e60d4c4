// Plugins as Nagios and its kin run them: the exit code is the verdict, the
// first line of output says why. Which program a name stands for is written
// in the host's own file; nothing from the network reaches its command line.

#include <cstring>

#include "absl/strings/str_cat.h"
#include "agents/checks/check.h"
#include "agents/checks/process.h"
#include "agents/core/state.h"

namespace sluice::agent {
namespace {

// Without performance data, which follows a '|'.
std::string FirstLine(absl::string_view output) {
  const absl::string_view line = output.substr(0, output.find('\n'));
  return OneLine(line.substr(0, line.find('|')), 200);
}

}  // namespace

CheckResult CheckPlugin(const CheckSpec& spec, const CheckContext& context,
                        const Stop& stop) {
  const std::string name = Arg(spec, "name");
  const auto plugin = context.plugins.find(name);
  if (plugin == context.plugins.end()) {
    return Inconclusive(
        absl::StrCat("plugin '", OneLine(name, 60),
                     "' is not among the plugins of this host's agent.yaml; "
                     "if it may run, write it there"));
  }
  std::vector<std::string> argv = plugin->second.command;
  if (const std::string& user = plugin->second.user; !user.empty()) {
    const std::optional<UserIds> ids = FindUser(user);
    if (!ids.has_value()) {
      return Inconclusive(absl::StrCat("this host has no user '", user,
                                       "', as whom agent.yaml runs ", name));
    }
    argv = AsUser(argv, *ids);
  }
  const absl::Duration timeout = std::min(spec.timeout, plugin->second.timeout);
  const absl::StatusOr<ProcessResult> result =
      RunProcess(argv, timeout, Leftovers::kKill, stop);
  if (!result.ok()) return Inconclusive(std::string(result.status().message()));
  if (result->stopped) return Inconclusive("the agent is ending");
  if (result->timed_out) {
    return Inconclusive(absl::StrCat(name, " did not end within ",
                                     absl::FormatDuration(timeout),
                                     " and was killed"));
  }
  if (result->output_full) {
    return Inconclusive(
        absl::StrCat(name, " printed more than 64 KiB; it was not believed"));
  }
  std::string line = FirstLine(result->output);
  if (line.empty()) line = absl::StrCat(name, " said nothing");
  switch (result->exit_code) {
    case 0:
      return Pass(line);
    case 1:
      return Inconclusive(absl::StrCat("warning: ", line));
    case 2:
      return Fail(line);
    case 3:
      return Inconclusive(line);
    case -1:
      return Inconclusive(absl::StrCat(name, " was ended by signal ",
                                       strsignal(result->signal)));
  }
  return Inconclusive(absl::StrCat(name, " ended with ", result->exit_code,
                                   ", which no plugin does: ", line));
}

}  // namespace sluice::agent
