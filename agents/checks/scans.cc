// packages and yara: other programs look through files, and are believed as far
// as it goes. Each runs in a process of its own, with bounds on its time, its
// memory and what it may print: a parser of an attacker's files has no place
// inside the agent.

#include <linux/capability.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "agents/checks/check.h"
#include "agents/checks/process.h"
#include "agents/checks/reader.h"
#include "agents/core/state.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxNamed = 3;
// For what was killed to be gone: it starts little, and only reads.
constexpr absl::Duration kPatience = absl::Milliseconds(250);

std::string Named(const std::vector<std::string>& names, bool more) {
  const size_t shown = std::min(names.size(), kMaxNamed);
  std::string text = absl::StrJoin(names.begin(), names.begin() + shown, ", ");
  if (names.size() > shown || more) {
    absl::StrAppend(&text, " and ", more ? "at least " : "",
                    names.size() - shown, " more");
  }
  return text;
}

// Why a scan says nothing; empty when it ended by itself.
std::string Cut(const std::string& program, const ProcessResult& result,
                absl::Duration timeout) {
  if (result.stopped) return "the agent is ending";
  if (result.timed_out) {
    return absl::StrCat(
        program, " did not end within ", absl::FormatDuration(timeout),
        result.hung == 0 ? "; give the check more time" : "", HungNote(result));
  }
  if (result.exit_code < 0) return absl::StrCat(program, " was ended");
  return "";
}

// "??5?????? c /etc/motd", "missing     /usr/bin/ls": a letter marks what its
// package expects to be changed.
struct Deviation {
  bool expected = false;
  std::string path;
};

bool ParseDeviation(absl::string_view line, Deviation& found) {
  const size_t slash = line.find(" /");
  if (slash == line.npos || slash < 8) return false;
  const absl::string_view head =
      absl::StripTrailingAsciiWhitespace(line.substr(0, slash));
  found.path = OneLine(line.substr(slash + 1), 100);
  found.expected = head.size() > 2 && head[head.size() - 2] == ' ' &&
                   absl::ascii_islower(head.back());
  return true;
}

bool IsWithin(const std::string& path, const std::vector<std::string>& roots) {
  return std::any_of(roots.begin(), roots.end(), [&](const std::string& root) {
    return path == root || absl::StartsWith(path, absl::StrCat(root, "/"));
  });
}

}  // namespace

CheckResult CheckPackages(const CheckSpec& spec, const CheckContext& context,
                          const Stop& stop) {
  if (Arg(spec, "verify") != "true") {
    return Inconclusive("packages: only 'verify' is known");
  }
  std::vector<std::string> argv = {context.dpkg, "--verify"};
  std::error_code error;
  if (!std::filesystem::exists(context.dpkg, error)) {
    argv = {context.rpm, "--verify", "--all", "--nomtime"};
  }
  const auto said =
      RunProcess(argv, {.timeout = spec.timeout, .patience = kPatience}, stop);
  if (!said.ok()) return Inconclusive(std::string(said.status().message()));
  const std::string cut = Cut(argv[0], *said, spec.timeout);
  if (!cut.empty()) return Inconclusive(cut);
  std::vector<std::string> changed;
  size_t expected = 0;
  size_t unclear = 0;
  for (const absl::string_view line :
       absl::StrSplit(said->output, '\n', absl::SkipEmpty())) {
    Deviation found;
    if (!ParseDeviation(line, found)) {
      ++unclear;
    } else if (found.expected) {
      ++expected;
    } else {
      changed.push_back(found.path);
    }
  }
  if (!changed.empty()) {
    return Fail(absl::StrCat("not as their packages brought them: ",
                             Named(changed, said->output_full)));
  }
  if (unclear > 0 || said->output_full) {
    return Inconclusive(absl::StrCat(
        argv[0], " said what cannot be read: ",
        OneLine(absl::string_view(said->output).substr(0, 120), 120)));
  }
  return Pass(absl::StrCat(
      "no sign found by the host's own package tool (weak evidence)",
      expected == 0 ? ""
                    : absl::StrCat("; ", expected, " configuration files are ",
                                   "changed, as is usual")));
}

CheckResult CheckYara(const CheckSpec& spec, const CheckContext& context,
                      const Stop& stop) {
  const std::string name = Arg(spec, "rules");
  const auto rule = context.yara.find(name);
  if (rule == context.yara.end()) {
    return Inconclusive(
        absl::StrCat("rules '", OneLine(name, 60),
                     "' are not among 'yara' in this host's agent.yaml; if "
                     "they may run, write them there"));
  }
  const absl::Time until = absl::Now() + spec.timeout;
  std::vector<std::string> paths = rule->second.paths;
  if (const std::string path = Arg(spec, "path"); !path.empty()) {
    // Where it really is: who may write there could lead it elsewhere.
    paths.push_back(path);
    absl::StatusOr<std::vector<std::string>> real =
        RealPaths(paths, spec.timeout, context, stop);
    if (!real.ok()) return Inconclusive(std::string(real.status().message()));
    const std::string plain = std::move(real->back());
    real->pop_back();
    std::erase(*real, "");  // what is not there has nothing within
    if (plain.empty() || !IsWithin(plain, *real)) {
      return Inconclusive(absl::StrCat(OneLine(path, 80),
                                       " is outside what this host's "
                                       "agent.yaml lets '",
                                       name, "' look at"));
    }
    paths = {plain};
  }
  std::vector<std::string> matches;
  bool full = false;
  for (const std::string& path : paths) {
    const absl::Duration left =
        std::max(until - absl::Now(), absl::Milliseconds(1));
    // One thread: it is somebody's server, and its memory is bounded.
    const auto said =
        RunProcess({context.yara_program, "--recursive", "--no-follow-symlinks",
                    "--no-warnings", "--threads=1", rule->second.rules, path},
                   {.timeout = left,
                    .capabilities = uint64_t{1} << CAP_DAC_READ_SEARCH,
                    .grace = absl::ZeroDuration(),
                    .patience = kPatience},
                   stop);
    if (!said.ok()) return Inconclusive(std::string(said.status().message()));
    const std::string cut = Cut("yara", *said, spec.timeout);
    // What was found before it was cut off is found.
    for (const absl::string_view line :
         absl::StrSplit(said->output, '\n', absl::SkipEmpty())) {
      if (absl::StartsWith(line, "error")) continue;
      const std::pair<absl::string_view, absl::string_view> words =
          absl::StrSplit(line, absl::MaxSplits(' ', 1));
      if (absl::StartsWith(words.second, path)) {
        matches.push_back(absl::StrCat(OneLine(words.first, 60), " in ",
                                       OneLine(words.second, 100)));
      }
    }
    full = full || said->output_full;
    if (!matches.empty()) break;
    if (!cut.empty()) return Inconclusive(cut);
    if (said->exit_code != 0 || !said->output.empty()) {
      return Inconclusive(absl::StrCat(
          "yara: ", OneLine(absl::string_view(said->output)
                                .substr(0, said->output.find('\n')),
                            150)));
    }
  }
  if (!matches.empty()) {
    return Fail(absl::StrCat("rules '", name, "': ", Named(matches, full)));
  }
  return Pass(absl::StrCat("no sign found: no file of ",
                           absl::StrJoin(paths, ", "), " matches '", name,
                           "'"));
}

}  // namespace sluice::agent
