#include "agents/checks/reader.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/checks/process.h"
#include "agents/core/state.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

// The question is CBOR: paths are bytes, not always text. The answer is JSON,
// whose parser no depth of it can bring down.
using Json = nlohmann::json;

constexpr size_t kMostQuestion = 1 << 20;
constexpr size_t kMostDetails = 64;
constexpr size_t kLongestPath = 4096;

// A question may take its time; of that, the end is for ending it.
absl::Duration Reserve(absl::Duration timeout) {
  return std::min(timeout / 5, absl::Milliseconds(250));
}

// `process` sees others' processes even where /proc hides them; the rest reads
// what belongs to others.
uint64_t CapabilitiesFor(const Json& question) {
  return uint64_t{1} << (question.at("kind") == "process"
                             ? CAP_SYS_PTRACE
                             : CAP_DAC_READ_SEARCH);
}

// A sanitizer's own map takes more addresses than any check may have.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kMostMemory = ~uint64_t{0};
#else
constexpr uint64_t kMostMemory = kCheckMemory;
#endif

std::string Encode(const Json& question) {
  std::string bytes;
  Json::to_cbor(question, bytes);
  return bytes;
}

// What a reader answered, or why there is no answer. `what` is the same for the
// same again, however long it may take.
absl::StatusOr<Json> Ask(Json question, const Json& what,
                         absl::Duration timeout, const CheckContext& context,
                         const Stop& stop) {
  const absl::Duration reserve = Reserve(timeout);
  question["time_ms"] = absl::ToInt64Milliseconds(timeout - reserve);
  SLUICE_ASSIGN_OR_RETURN(const ProcessResult said,
                          RunProcess(context.reader,
                                     {.timeout = timeout - reserve / 2,
                                      .input = Encode(question),
                                      .errors_apart = true,
                                      .most_memory = kMostMemory,
                                      .capabilities = CapabilitiesFor(question),
                                      .grace = absl::ZeroDuration(),
                                      .patience = reserve / 2,
                                      .what = Encode(what)},
                                     stop));
  if (said.stopped) return absl::CancelledError("the agent is ending");
  std::string where = OneLine(said.errors, 120);
  if (where.empty()) where = "what it reads";
  if (said.timed_out) {
    return absl::DeadlineExceededError(
        absl::StrCat(where, " did not answer within ",
                     absl::FormatDuration(timeout), HungNote(said)));
  }
  if (said.exit_code < 0) {
    return absl::UnavailableError(
        absl::StrCat("the process that read for it was ended by signal ",
                     strsignal(said.signal), " at ", where));
  }
  Json answer = Json::parse(said.output, nullptr, /*allow_exceptions=*/false);
  if (said.exit_code != 0 || !answer.is_object()) {
    return absl::InternalError(
        absl::StrCat("the process that read for it gave no answer, at ", where,
                     "; look at the agent's log and memory"));
  }
  return answer;
}

std::vector<std::string> Lines(const Json& list) {
  std::vector<std::string> lines;
  for (const Json& one : list) {
    lines.push_back(one.get_ref<const std::string&>());
  }
  return lines;
}

Json QuestionOf(const CheckSpec& spec, const CheckContext& context) {
  Json question = {
      {"kind", spec.kind},           {"args", spec.args},
      {"proc", context.proc},        {"folder", context.baseline_folder},
      {"key", context.evidence_key}, {"baselines", Json::object()}};
  const auto rule = context.baselines.find(Arg(spec, "baseline"));
  if (rule != context.baselines.end()) {
    question["baselines"][rule->first] = {{"paths", rule->second.paths},
                                          {"setuid", rule->second.setuid_only}};
  }
  return question;
}

std::string Real(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? "" : real.string();
}

// ── in the reader ───────────────────────────────────────────────────────────

// The last of them is what standard error holds.
void LookingAt(const std::string& path) {
  const size_t size = std::min(path.size(), kLongestPath);
  if (lseek(STDERR_FILENO, 0, SEEK_SET) == 0) {
    (void)!write(STDERR_FILENO, path.data(), size);
  }
}

Json AnswerTo(const Json& question) {
  const std::string& kind = question.at("kind").get_ref<const std::string&>();
  if (kind == "real paths") {
    Json real = Json::array();
    for (const std::string& path : Lines(question.at("paths"))) {
      LookingAt(path);
      real.push_back(Real(path));
    }
    return {{"paths", std::move(real)}};
  }
  if (kind != "files" && kind != "process" && kind != "mount") return {};
  CheckSpec spec;
  spec.kind = kind;
  spec.args = question.at("args").get<std::map<std::string, std::string>>();
  spec.timeout = absl::Milliseconds(question.at("time_ms").get<int64_t>());
  CheckContext context;
  context.proc = question.at("proc").get<std::string>();
  context.baseline_folder = question.at("folder").get<std::string>();
  context.evidence_key = question.at("key").get<std::string>();
  for (const auto& [name, rule] : question.at("baselines").items()) {
    context.baselines[name] = {Lines(rule.at("paths")),
                               rule.at("setuid").get<bool>()};
  }
  context.looking_at = LookingAt;
  const Stop stop;  // who stops a reader kills it
  const CheckResult result =
      (kind == "files"     ? CheckFiles
       : kind == "process" ? CheckProcess
                           : CheckMount)(spec, context, stop);
  return {{"verdict", static_cast<int>(result.verdict)},
          {"reason", result.reason},
          {"details", result.details}};
}

bool ReadAll(int fd, std::string& text) {
  char chunk[4096];
  while (text.size() <= kMostQuestion) {
    const ssize_t got = read(fd, chunk, sizeof chunk);
    if (got <= 0) return got == 0;
    text.append(chunk, static_cast<size_t>(got));
  }
  return false;
}

bool WriteAll(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = write(fd, text.data(), text.size());
    if (wrote <= 0) return false;
    text.remove_prefix(static_cast<size_t>(wrote));
  }
  return true;
}

}  // namespace

CheckResult ReadApart(const CheckSpec& spec, const CheckContext& context,
                      const Stop& stop) {
  const absl::StatusOr<Json> answer =
      Ask(QuestionOf(spec, context), {spec.kind, spec.args}, spec.timeout,
          context, stop);
  if (!answer.ok()) return Inconclusive(std::string(answer.status().message()));
  try {
    CheckResult result;
    const int verdict = answer->at("verdict").get<int>();
    if (verdict == static_cast<int>(Verdict::kPass)) {
      result.verdict = Verdict::kPass;
    } else if (verdict == static_cast<int>(Verdict::kFail)) {
      result.verdict = Verdict::kFail;
    }
    result.reason = OneLine(answer->at("reason").get<std::string>(), 400);
    for (const std::string& line : Lines(answer->at("details"))) {
      if (result.details.size() == kMostDetails) break;
      result.details.push_back(OneLine(line, 400));
    }
    return result;
  } catch (const Json::exception&) {
    return Inconclusive("the process that read for it did not say what it saw");
  }
}

absl::StatusOr<std::vector<std::string>> RealPaths(
    const std::vector<std::string>& paths, absl::Duration timeout,
    const CheckContext& context, const Stop& stop) {
  std::vector<std::string> real;
  if (context.reader.empty()) {
    std::transform(paths.begin(), paths.end(), std::back_inserter(real), Real);
    return real;
  }
  const Json question = {{"kind", "real paths"}, {"paths", paths}};
  SLUICE_ASSIGN_OR_RETURN(const Json answer,
                          Ask(question, question, timeout, context, stop));
  try {
    real = Lines(answer.at("paths"));
    if (real.size() == paths.size()) return real;
  } catch (const Json::exception&) {
  }
  return absl::InternalError(
      "the process that read for it did not say what it saw");
}

int ReaderMain() {
  prctl(PR_SET_NAME, "sluice-reader", 0, 0, 0);
  std::string text;
  if (!ReadAll(STDIN_FILENO, text)) return 2;
  const Json question = Json::from_cbor(text, /*strict=*/true,
                                        /*allow_exceptions=*/false);
  if (!question.is_object()) return 2;
  try {
    const Json answer = AnswerTo(question);
    if (answer.is_null()) return 2;
    return WriteAll(STDOUT_FILENO,
                    answer.dump(-1, ' ', false, Json::error_handler_t::replace))
               ? 0
               : 1;
  } catch (const Json::exception&) {
    return 2;
  }
}

}  // namespace sluice::agent
