// Plugins as Nagios and its kin run them: the exit code is the verdict, the
// first line of output says why, and what was measured goes into the evidence.
// Which program a name stands for is written in the host's own file; nothing
// from the network reaches its command line.

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agents/checks/check.h"
#include "agents/checks/process.h"
#include "agents/core/state.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxMeasured = 16;
constexpr size_t kMaxLabel = 60;

// Without performance data, which follows a '|'.
std::string FirstLine(absl::string_view output) {
  const absl::string_view line = output.substr(0, output.find('\n'));
  return OneLine(line.substr(0, line.find('|')), 200);
}

// The label before '=', quoted when it has spaces ("''" is a quote in it).
std::string TakeLabel(absl::string_view& rest) {
  std::string label;
  if (!absl::ConsumePrefix(&rest, "'")) {
    const size_t end = rest.find_first_of("= ");
    label = std::string(rest.substr(0, end));
    rest.remove_prefix(std::min(end, rest.size()));
    return label;
  }
  while (!rest.empty()) {
    if (absl::ConsumePrefix(&rest, "''")) {
      label += '\'';
    } else if (absl::ConsumePrefix(&rest, "'")) {
      break;
    } else {
      label += rest.front();
      rest.remove_prefix(1);
    }
  }
  return label;
}

// "load1 = 0.21 (warning 5, critical 10)" of `'load1'=0.21;5;10;0;`, as the
// plugins' guidelines write it; empty: it is none.
std::string Measured(absl::string_view label, absl::string_view value) {
  const std::vector<absl::string_view> parts = absl::StrSplit(value, ';');
  const absl::string_view number = parts[0];
  if (label.empty() || number.empty()) return "";
  if (number != "U" && number.find_first_of("0123456789") > 1) return "";
  std::vector<std::string> limits;
  if (parts.size() > 1 && !parts[1].empty()) {
    limits.push_back(absl::StrCat("warning ", parts[1]));
  }
  if (parts.size() > 2 && !parts[2].empty()) {
    limits.push_back(absl::StrCat("critical ", parts[2]));
  }
  return absl::StrCat(
      OneLine(label, kMaxLabel), " = ",
      number == "U" ? "not known" : OneLine(number, kMaxLabel),
      limits.empty()
          ? ""
          : absl::StrCat(" (", OneLine(absl::StrJoin(limits, ", "), kMaxLabel),
                         ")"));
}

// Performance data: behind the first line's '|', and behind a second one to the
// end. At most kMaxMeasured lines; what is none is left out.
std::vector<std::string> Measurements(absl::string_view output) {
  const size_t end = std::min(output.find('\n'), output.size());
  std::string text;
  for (absl::string_view part : {output.substr(0, end), output.substr(end)}) {
    const size_t bar = part.find('|');
    if (bar == absl::string_view::npos) continue;
    absl::StrAppend(&text, " ", part.substr(bar + 1));
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::vector<std::string> measured;
  absl::string_view rest = text;
  while (measured.size() < kMaxMeasured) {
    rest = absl::StripLeadingAsciiWhitespace(rest);
    if (rest.empty()) break;
    const std::string label = TakeLabel(rest);
    const absl::string_view value = rest.substr(0, rest.find(' '));
    rest.remove_prefix(value.size());
    if (!absl::StartsWith(value, "=")) continue;
    std::string line = Measured(label, value.substr(1));
    if (!line.empty()) measured.push_back(std::move(line));
  }
  return measured;
}

CheckResult VerdictOf(const std::string& name, const ProcessResult& result) {
  std::string line = FirstLine(result.output);
  if (line.empty()) line = absl::StrCat(name, " said nothing");
  switch (result.exit_code) {
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
                                       strsignal(result.signal)));
  }
  return Inconclusive(absl::StrCat(name, " ended with ", result.exit_code,
                                   ", which no plugin does: ", line));
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
    // As itself it goes on with what it has: root's plugins need that.
    if (ids->user != geteuid()) argv = AsUser(argv, *ids);
  }
  const absl::Duration timeout = std::min(spec.timeout, plugin->second.timeout);
  const absl::StatusOr<ProcessResult> result =
      RunProcess(argv, timeout, Leftovers::kKill, stop);
  if (!result.ok()) return Inconclusive(std::string(result.status().message()));
  if (result->stopped) return Inconclusive("the agent is ending");
  if (result->timed_out) {
    return Inconclusive(absl::StrCat(name, " did not end within ",
                                     absl::FormatDuration(timeout),
                                     " and was killed", HungNote(*result)));
  }
  if (result->output_full) {
    return Inconclusive(
        absl::StrCat(name, " printed more than 64 KiB; it was not believed"));
  }
  CheckResult verdict = VerdictOf(name, *result);
  verdict.details = Measurements(result->output);
  return verdict;
}

}  // namespace sluice::agent
