// Runs the agent's checks for the test in this folder: one a line on standard
// input, as JSON, its result on standard output.
//
//   {"kind": "tcp", "args": {"port": "5432"}, "timeout_ms": 3000,
//    "plugins": {"check_tcp": {"command": […], "user": "nobody"}},
//    "yara": {"rules-name": {"rules": FILE, "paths": [DIR]}},
//    "tls_authorities": FILE, "dpkg": FILE, "rpm": FILE, "attempts": 3,
//    "baselines": {"cron": {"paths": [DIR], "setuid": false}}, "folder": DIR}
// The kind "take" takes and signs the baselines instead.
//   → {"verdict": "pass", "reason": "127.0.0.1:5432 accepts connections"}

#include <signal.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/clock.h"
#include "agents/checks/baseline.h"
#include "agents/checks/check.h"
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

Json Answer(const std::string& line) {
  const Json question = Json::parse(line);
  if (question.at("kind") == "take") return TakeAll(ContextOf(question));
  CheckSpec spec;
  spec.kind = question.at("kind");
  spec.args = question.value("args", std::map<std::string, std::string>());
  spec.timeout = absl::Milliseconds(question.value("timeout_ms", 3000));
  spec.attempts = question.value("attempts", 1);
  spec.between = absl::Milliseconds(10);
  const Stop stop;
  const CheckResult result =
      RunCheckWithRetries(spec, ContextOf(question), stop);
  return {{"verdict", std::string(VerdictName(result.verdict))},
          {"reason", result.reason}};
}

}  // namespace
}  // namespace sluice::agent

int main() {
  signal(SIGPIPE, SIG_IGN);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << sluice::agent::Answer(line).dump() << std::endl;
  }
  return 0;
}
