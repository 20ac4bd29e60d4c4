// systemd, process, mount, clock: what this machine says of itself.

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agents/checks/check.h"
#include "agents/checks/process.h"
#include "agents/core/state.h"

namespace sluice::agent {
namespace {

constexpr size_t kCommLimit = 15;  // what the kernel keeps of a name

// A program's first line, or why there is none.
absl::StatusOr<ProcessResult> Ask(const std::vector<std::string>& argv,
                                  const CheckSpec& spec, const Stop& stop) {
  absl::StatusOr<ProcessResult> result =
      RunProcess(argv, spec.timeout, Leftovers::kKill, stop);
  if (!result.ok()) return result;
  if (result->stopped) return absl::CancelledError("the agent is ending");
  if (result->timed_out) {
    return absl::DeadlineExceededError(absl::StrCat(
        argv[0], " did not end within ", absl::FormatDuration(spec.timeout)));
  }
  result->output = OneLine(
      absl::string_view(result->output).substr(0, result->output.find('\n')),
      200);
  return result;
}

int IntArg(const CheckSpec& spec, const std::string& name, int otherwise) {
  int value = 0;
  return absl::SimpleAtoi(Arg(spec, name, absl::StrCat(otherwise)), &value)
             ? value
             : otherwise;
}

// Its name as the kernel or its own command line has it.
bool IsNamed(const std::filesystem::path& home, const std::string& name) {
  std::string comm;
  std::ifstream comm_file(home / "comm");
  std::getline(comm_file, comm);
  if (comm == name) return true;
  if (comm != name.substr(0, kCommLimit)) return false;
  std::string argv0;
  std::ifstream line(home / "cmdline");
  std::getline(line, argv0, '\0');
  return std::filesystem::path(argv0).filename() == name;
}

// "\040" is a space: as /proc/self/mountinfo writes names.
std::string Unescaped(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 +
                                      (text[i + 2] - '0') * 8 +
                                      (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

bool IsMounted(const CheckContext& context, const std::string& path) {
  std::ifstream mounts(absl::StrCat(context.proc, "/self/mountinfo"));
  std::string line;
  while (std::getline(mounts, line)) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() > 4 && Unescaped(words[4]) == path) return true;
  }
  return false;
}

}  // namespace

CheckResult CheckSystemd(const CheckSpec& spec, const CheckContext& context,
                         const Stop& stop) {
  const std::string unit = Arg(spec, "unit");
  if (!IsName(unit) || unit[0] == '-') {
    return Inconclusive("systemd: 'unit' is not a unit's name");
  }
  const auto said = Ask({context.systemctl, "is-active", unit}, spec, stop);
  if (!said.ok()) return Inconclusive(std::string(said.status().message()));
  if (said->exit_code == 0) return Pass(absl::StrCat(unit, " is active"));
  const std::string& state = said->output;
  for (const char* known : {"inactive", "failed", "activating", "deactivating",
                            "reloading", "unknown", "maintenance"}) {
    if (state == known) return Fail(absl::StrCat(unit, " is ", state));
  }
  return Inconclusive(absl::StrCat("systemd does not answer: ", state));
}

CheckResult CheckProcess(const CheckSpec& spec, const CheckContext& context,
                         const Stop&) {
  const std::string name = Arg(spec, "name");
  if (name.empty()) return Inconclusive("process: 'name' is missing");
  const std::string user = Arg(spec, "user");
  std::optional<UserIds> wanted;
  if (!user.empty()) {
    wanted = FindUser(user);
    if (!wanted.has_value()) {
      return Fail(absl::StrCat("this host has no user '", user, "'"));
    }
  }
  int count = 0;
  if (context.looking_at) context.looking_at(context.proc);
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(context.proc, error)) {
    const std::string id = entry.path().filename().string();
    if (id[0] < '1' || id[0] > '9') continue;
    // The kernel makes who asks for its command line wait for its memory, and
    // that may wait for a file system.
    if (context.looking_at) context.looking_at(entry.path().string());
    if (!IsNamed(entry.path(), name)) continue;
    struct stat status = {};
    if (wanted.has_value() && (stat(entry.path().c_str(), &status) != 0 ||
                               status.st_uid != wanted->user)) {
      continue;
    }
    ++count;
  }
  if (error) return Inconclusive(absl::StrCat(context.proc, " cannot be read"));
  const int least = IntArg(spec, "min", 1);
  const std::string seen =
      absl::StrCat(count, " of ", name,
                   user.empty() ? "" : absl::StrCat(" as ", user), " run");
  return count >= least
             ? Pass(seen)
             : Fail(absl::StrCat(seen, ", at least ", least, " should"));
}

CheckResult CheckMount(const CheckSpec& spec, const CheckContext& context,
                       const Stop&) {
  std::string path = Arg(spec, "path");
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.empty() || path[0] != '/') {
    return Inconclusive("mount: 'path' is not a whole path");
  }
  if (!IsMounted(context, path)) {
    return Fail(absl::StrCat("nothing is mounted at ", path));
  }
  if (context.looking_at) context.looking_at(path);
  struct statvfs room = {};
  if (statvfs(path.c_str(), &room) != 0) {
    return Fail(absl::StrCat(path, " does not answer: ", std::strerror(errno)));
  }
  if (room.f_blocks == 0) return Pass(absl::StrCat(path, " is mounted"));
  const auto percent =
      static_cast<int>(static_cast<double>(room.f_bavail) * 100 /
                       static_cast<double>(room.f_blocks));
  const int least = IntArg(spec, "min-free", 1);
  const std::string seen =
      absl::StrCat(path, " is mounted, ", percent, " % of it free");
  return percent >= least
             ? Pass(seen)
             : Fail(absl::StrCat(seen, ", at least ", least, " should be"));
}

CheckResult JudgeClock(bool kept, absl::Duration offset,
                       absl::Duration uncertain, absl::Duration allowed) {
  if (!kept) {
    return Inconclusive(
        "nobody sets this host's clock: no time service has told the kernel");
  }
  const std::string seen =
      absl::StrCat("by its time service the clock is off by ",
                   absl::FormatDuration(absl::AbsDuration(offset)),
                   ", give or take ", absl::FormatDuration(uncertain));
  if (absl::AbsDuration(offset) > allowed) return Fail(seen);
  if (absl::AbsDuration(offset) + uncertain > allowed) {
    return Inconclusive(seen);
  }
  return Pass(seen);
}

CheckResult CheckClock(const CheckSpec& spec, const CheckContext&,
                       const Stop&) {
  const std::optional<absl::Duration> allowed = SpanArg(spec, "max-offset", "");
  if (!allowed.has_value() || *allowed <= absl::ZeroDuration()) {
    return Inconclusive("clock: 'max-offset' is no time");
  }
  timex clock = {};  // modes 0: reads, and sets nothing
  const int state = adjtimex(&clock);
  if (state < 0) {
    return Inconclusive(absl::StrCat("the kernel's clock cannot be read: ",
                                     std::strerror(errno)));
  }
  const absl::Duration offset = (clock.status & STA_NANO) != 0
                                    ? absl::Nanoseconds(clock.offset)
                                    : absl::Microseconds(clock.offset);
  return JudgeClock(state != TIME_ERROR && (clock.status & STA_UNSYNC) == 0,
                    offset, absl::Microseconds(clock.esterror), *allowed);
}

}  // namespace sluice::agent
