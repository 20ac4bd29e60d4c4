// Runs the agent's checks for the test in this folder: one a line on standard
// input, as JSON, its result on standard output.
//
//   {"kind": "tcp", "args": {"port": "5432"}, "timeout_ms": 3000,
//    "plugins": {"check_tcp": {"command": […], "user": "nobody"}},
//    "yara": {"rules-name": {"rules": FILE, "paths": [DIR]}},
//    "tls_authorities": FILE, "dpkg": FILE, "rpm": FILE, "attempts": 3,
//    "baselines": {"cron": {"paths": [DIR], "setuid": false}}, "folder": DIR,
//    "proc": DIR}
// The kind "take" takes and signs the baselines instead.
// The kind "workers" has "commands", a list of lists of questions, carried out
// at once as an agent's workers do, with this question's own context; its
// answer has "commands": [{"after_ms": 12, "verdicts": ["pass"]}].
//   → {"verdict": "pass", "reason": "127.0.0.1:5432 accepts connections"}

#include <signal.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agents/checks/baseline.h"
#include "agents/checks/check.h"
#include "agents/checks/reader.h"
#include "agents/checks/workers.h"
#include "common/sshsig.h"

namespace sluice::agent {
namespace {

using Json = nlohmann::json;

const SshSigner& HostKey() {
  static const SshSigner key = SshSigner::Make();
  return key;
}

CheckContext ContextOf(const Json& question) {
  CheckContext context;
  const Json plugins = question.value("plugins", Json::object());
  const Json yara = question.value("yara", Json::object());
  for (const auto& [name, plugin] : plugins.items()) {
    context.plugins[name] = {plugin.at("command"), absl::Seconds(10),
                             plugin.value("user", "")};
  }
  for (const auto& [name, rules] : yara.items()) {
    context.yara[name] = {rules.at("rules"), rules.at("paths")};
  }
  context.tls_authorities = question.value("tls_authorities", "");
  context.dpkg = question.value("dpkg", context.dpkg);
  context.rpm = question.value("rpm", context.rpm);
  const Json baselines = question.value("baselines", Json::object());
  for (const auto& [name, rule] : baselines.items()) {
    context.baselines[name] = {rule.at("paths"), rule.value("setuid", false)};
  }
  context.baseline_folder = question.value("folder", "");
  context.evidence_key = HostKey().public_key().Line();
  context.proc = question.value("proc", context.proc);
  context.reader = {"/proc/self/exe", kReaderCommand};
  return context;
}

Json TakeAll(const CheckContext& context) {
  const Stop stop;
  for (const auto& [name, rule] : context.baselines) {
    const auto text =
        TakeBaseline(name, rule, absl::Now() + absl::Minutes(1), stop);
    if (!text.ok()) return {{"verdict", "fail"}, {"reason", name}};
    const std::string path = context.baseline_folder + "/" + name;
    std::ofstream(path) << *text;
    std::ofstream(path + ".sig") << HostKey().Sign(kSignedBaseline, *text);
  }
  return {{"verdict", "pass"}, {"reason", "taken"}};
}

CheckSpec SpecOf(const Json& question) {
  CheckSpec spec;
  spec.kind = question.at("kind");
  spec.args = question.value("args", std::map<std::string, std::string>());
  spec.timeout = absl::Milliseconds(question.value("timeout_ms", 3000));
  spec.attempts = question.value("attempts", 1);
  spec.between = absl::Milliseconds(10);
  return spec;
}

Json AtOnce(const Json& question) {
  const absl::Time began = absl::Now();
  absl::Mutex mutex;
  Json answers = Json::array();  // guarded by mutex
  size_t left = question.at("commands").size();
  Workers workers({.context = ContextOf(question)}, [&](Event event) {
    const auto finished = std::get<ChecksFinished>(std::move(event));
    Json verdicts = Json::array();
    for (const NamedResult& one : finished.results) {
      verdicts.push_back(std::string(VerdictName(one.result.verdict)));
    }
    const absl::MutexLock lock(&mutex);
    answers[finished.request] = {
        {"after_ms", absl::ToInt64Milliseconds(absl::Now() - began)},
        {"verdicts", std::move(verdicts)}};
    --left;
  });
  uint64_t request = 0;
  for (const Json& command : question.at("commands")) {
    StartChecks checks{request++, {}};
    for (const Json& one : command) {
      checks.checks.push_back({CheckId("probe/1"), SpecOf(one)});
    }
    workers.Start(std::move(checks));
  }
  const absl::MutexLock lock(&mutex);
  mutex.Await(absl::Condition(
      +[](size_t* commands) { return *commands == 0; }, &left));
  return {{"verdict", "pass"}, {"reason", "answered"}, {"commands", answers}};
}

Json Answer(const std::string& line) {
  const Json question = Json::parse(line);
  if (question.at("kind") == "take") return TakeAll(ContextOf(question));
  if (question.at("kind") == "workers") return AtOnce(question);
  const Stop stop;
  const CheckResult result =
      RunCheckWithRetries(SpecOf(question), ContextOf(question), stop);
  return {{"verdict", std::string(VerdictName(result.verdict))},
          {"reason", result.reason}};
}

}  // namespace
}  // namespace sluice::agent

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == sluice::agent::kReaderCommand) {
    return sluice::agent::ReaderMain();
  }
  signal(SIGPIPE, SIG_IGN);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << sluice::agent::Answer(line).dump() << std::endl;
  }
  return 0;
}
