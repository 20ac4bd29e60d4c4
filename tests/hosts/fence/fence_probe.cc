// Drives NftablesFence for the tests in this folder: one command a line on
// standard input, as JSON, one answer a line on standard output.
//
//   fence-probe [--interior INTERFACE]...
//
//   {"do": "replace", "mode": "quarantined", "management": [FLOW…],
//    "vital": […], "standing": […],
//    "releases": [{"digest": D, "lease_ms": N, "flows": […]}]}
//   {"do": "open", "digest": D, "lease_ms": N, "flows": […]}
//   {"do": "remove", "digest": D, "flows": […]}
//   {"do": "renew", "leases": {D: MS}}
//   {"do": "confirm", "digest": D, "flows": […]}
//   {"do": "read"}
//
// Answers: {"ok": true, "ms": N, "reading": {…}}, or {"ok": false,
// "code": "FAILED_PRECONDITION", "error": "…"}.

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "agents/isolation/nftables_fence.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

using Json = nlohmann::json;

absl::StatusOr<std::vector<Flow>> Flows(const Json& command, const char* key) {
  std::vector<Flow> flows;
  for (const Json& line : command.value(key, Json::array())) {
    SLUICE_ASSIGN_OR_RETURN(Flow flow, Flow::Parse(line.get<std::string>()));
    flows.push_back(flow);
  }
  return flows;
}

Json Lines(const std::vector<Flow>& flows) {
  Json lines = Json::array();
  for (const Flow& flow : flows) lines.push_back(flow.Line());
  return lines;
}

Json ToJson(const FenceReading& reading) {
  Json releases = Json::array();
  for (const FenceReading::Leased& leased : reading.releases) {
    releases.push_back(
        {{"digest", leased.digest},
         {"remaining_ms", absl::ToInt64Milliseconds(leased.remaining)},
         {"flows", Lines(leased.flows)}});
  }
  Json attempts = Json::array();
  for (const Attempt& attempt : reading.attempts) {
    attempts.push_back(
        {{"outbound", attempt.outbound},
         {"protocol", std::string(ProtocolName(attempt.protocol))},
         {"peer", attempt.peer.ToString()},
         {"port", attempt.port},
         {"packets", attempt.packets}});
  }
  const absl::Duration since =
      reading.watching_since.value_or(-absl::Milliseconds(1));
  return {{"watching_since_ms", absl::ToInt64Milliseconds(since)},
          {"sensor_full", reading.sensor_full},
          {"mode", reading.mode == Mode::kOpen ? "open" : "quarantined"},
          {"management", Lines(reading.management)},
          {"vital", Lines(reading.vital)},
          {"standing", Lines(reading.standing)},
          {"releases", releases},
          {"attempts", attempts},
          {"dropped_packets", reading.dropped_packets},
          {"rules_digest", reading.rules_digest}};
}

absl::StatusOr<FenceRules> Rules(const Json& command) {
  FenceRules rules;
  rules.mode = command.value("mode", "quarantined") == "open"
                   ? Mode::kOpen
                   : Mode::kQuarantined;
  rules.watch_anew = command.value("watch_anew", false);
  SLUICE_ASSIGN_OR_RETURN(rules.management, Flows(command, "management"));
  SLUICE_ASSIGN_OR_RETURN(rules.vital, Flows(command, "vital"));
  SLUICE_ASSIGN_OR_RETURN(rules.standing, Flows(command, "standing"));
  for (const Json& release : command.value("releases", Json::array())) {
    SLUICE_ASSIGN_OR_RETURN(std::vector<Flow> flows, Flows(release, "flows"));
    rules.releases.push_back({release.value("digest", ""),
                              absl::Milliseconds(release.value("lease_ms", 0)),
                              flows});
  }
  return rules;
}

absl::StatusOr<FenceReading> Do(NftablesFence& fence, const Json& command) {
  const std::string verb = command.value("do", "");
  const std::string digest = command.value("digest", "");
  SLUICE_ASSIGN_OR_RETURN(const std::vector<Flow> flows,
                          Flows(command, "flows"));
  if (verb == "replace") {
    SLUICE_ASSIGN_OR_RETURN(const FenceRules rules, Rules(command));
    return fence.Replace(rules);
  }
  if (verb == "open") {
    return fence.Open(digest, absl::Milliseconds(command.value("lease_ms", 0)),
                      flows);
  }
  if (verb == "remove") return fence.Remove(digest, flows);
  if (verb == "confirm") return fence.Confirm(digest, flows);
  if (verb == "renew") {
    std::map<std::string, absl::Duration> leases;
    const Json wanted = command.value("leases", Json::object());
    for (const auto& [name, lease] : wanted.items()) {
      leases[name] = absl::Milliseconds(lease.get<int64_t>());
    }
    SLUICE_RETURN_IF_ERROR(fence.Renew(leases));
    return fence.Read();
  }
  if (verb == "read") return fence.Read();
  return absl::InvalidArgumentError(
      absl::StrCat("'", verb, "' is no command of fence-probe"));
}

Json Answer(NftablesFence& fence, const std::string& line) {
  const Json command = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!command.is_object()) {
    return {{"ok", false}, {"code", "INVALID_ARGUMENT"}, {"error", "no JSON"}};
  }
  const absl::Time start = absl::Now();
  const absl::StatusOr<FenceReading> reading = Do(fence, command);
  const double ms = absl::ToDoubleMilliseconds(absl::Now() - start);
  if (!reading.ok()) {
    return {{"ok", false},
            {"ms", ms},
            {"code", absl::StatusCodeToString(reading.status().code())},
            {"error", std::string(reading.status().message())}};
  }
  return {{"ok", true}, {"ms", ms}, {"reading", ToJson(*reading)}};
}

}  // namespace
}  // namespace sluice::agent

int main(int argc, char** argv) {
  sluice::agent::RulesetOptions options;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) != "--interior" || i + 1 == argc) {
      std::cerr << "fence-probe: unknown argument '" << argv[i]
                << "'; use --interior INTERFACE\n";
      return 2;
    }
    options.interior.push_back(argv[++i]);
  }
  sluice::agent::NftablesFence fence(options);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << sluice::agent::Answer(fence, line).dump() << std::endl;
  }
  return 0;
}
