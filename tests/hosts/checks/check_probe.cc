// Runs the agent's checks for the test in this folder: one a line on standard
// input, as JSON, its result on standard output.
//
//   {"kind": "tcp", "args": {"port": "5432"}, "timeout_ms": 3000,
//    "plugins": {"check_tcp": {"command": […], "user": "nobody"}},
//    "yara": {"rules-name": {"rules": FILE, "paths": [DIR]}},
//    "tls_authorities": FILE, "dpkg": FILE}
//   → {"verdict": "pass", "reason": "127.0.0.1:5432 accepts connections"}

#include <signal.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "agents/checks/check.h"

namespace sluice::agent {
namespace {

using Json = nlohmann::json;

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
  return context;
}

Json Answer(const std::string& line) {
  const Json question = Json::parse(line);
  CheckSpec spec;
  spec.kind = question.at("kind");
  spec.args = question.value("args", std::map<std::string, std::string>());
  spec.timeout = absl::Milliseconds(question.value("timeout_ms", 3000));
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
