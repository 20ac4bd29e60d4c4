// The configuration files that `sluice init` drafts: plain YAML, commented for
// the person who finishes them. All paths in them are relative to the file.

#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/planner/plan.h"

namespace sluice::cli {

// An orchestrator's address, taken apart: "10.77.0.1:7443", "[fd77::1]:7443".
struct Endpoint {
  Prefix address;
  uint16_t port = 0;

  // Addresses, never names: a quarantined host resolves nothing.
  static absl::StatusOr<Endpoint> Parse(absl::string_view text);
};

// Double-quoted YAML, whatever is in `text`.
std::string YamlText(absl::string_view text);

// The people whom every gate of the plan asks for, the lowest count of each
// role: hosts that want no more refuse no gate.
std::map<RoleId, int> AskedEverywhere(const Plan& plan);

// The names that the manifest uses on one host: it starts, stops, runs and
// reads nothing else there, and these only when the host's own file lists them.
struct Mentioned {
  std::set<std::string> units;
  std::set<std::string> plugins;
  std::set<std::string> yara;
  std::set<std::string> baselines;
};
Mentioned MentionedOn(const Plan& plan, const PlannedHost& host);

std::string OrchestratorYaml(const Plan& plan);
// REQUIRES: every orchestrator address of the plan parses as an Endpoint.
std::string AgentYaml(const Plan& plan, const PlannedHost& host);
// For DIR/operators/NAME/: the socket is ../../orchestrator/operator.sock.
std::string ClientYaml(const Plan& plan, const std::string& who);

}  // namespace sluice::cli
