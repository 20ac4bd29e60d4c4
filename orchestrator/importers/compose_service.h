// One service of a Compose project, as far as a manifest is concerned.

#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"
#include "orchestrator/importers/compose_project.h"
#include "orchestrator/importers/probe.h"

namespace sluice::importers {

struct ComposePort {
  Protocol protocol = Protocol::kTcp;
  PortRange ports;
  std::string name;       // as given in the long form; may be empty
  std::string published;  // the machine's port, where it is fixed; else empty
  bool from_outside = false;  // published, and not to the machine alone
};

struct Dependency {
  std::string target;  // a service, as written
  Place place;
  bool soft = false;
  bool once = false;  // waits for a service that runs once and ends
};

struct HealthCheck {
  bool is_there = false;
  Probe probe;
  std::string program;  // the command's first word
  absl::Duration timeout = absl::ZeroDuration();
  absl::Duration between = absl::ZeroDuration();
  int attempts = 0;
};

struct ComposeService {
  std::string raw_name;
  Place place;
  std::vector<std::string> profiles;
  std::vector<ComposePort> ports;
  std::vector<Dependency> needs;
  HealthCheck health;
  // Names that others reach it by: its own, its hostname, its aliases.
  std::set<std::string> names;
  std::set<std::string> networks;  // "default" when nothing is said
  std::string shares;              // the service whose network it uses
  Environment environment;
  std::vector<std::string> not_translated;
};

// Reads one; its mistakes go to the project's problems. `names` are those of
// all services.
ComposeService ReadService(const std::string& name, const Value& value,
                           ComposeProject& project);

}  // namespace sluice::importers
