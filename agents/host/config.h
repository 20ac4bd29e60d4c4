// agent.yaml: the host's own file. What is not in it, no orchestrator can ask
// of this host.
//
//   estate: city-utility
//   host: db-1
//   orchestrators: ["10.77.0.1:7443", "[fd77::1]:7443"]
//   certificate: agent.crt        # paths are relative to this file
//   key: agent.key
//   authority: ca.crt
//   state: /var/lib/sluice-agent  # the default
//   evidence-key: /var/lib/sluice-agent/evidence.key  # made when it is missing
//   addresses: [10.77.0.11, "fd77::11"]  # default: the clients of management
//   management: ["tcp 10.77.0.11 10.77.0.1 7443"]
//   vital: ["tcp 10.77.0.11 10.77.0.3 3260"]
//   interior: [docker0]           # interfaces that lead only to its own guests
//   approvers:                    # whose signatures open anything here
//     duty-commander: {roles: [incident-commander], key: "ssh-ed25519 AAAA…"}
//   quorum: {incident-commander: 1}         # at least, at every gate
//   quorum-at: {outside: {security: 1}}     # more at single stages
//   break-glass: {key: "ssh-ed25519 AAAA…"}  # `sluice-agent release`, without
//                                             # an orchestrator (default: none)
//   trust-serial: 2       # rotations up to here are in this file (default: 0)
//   units: {postgresql.service: {start: [systemctl, start, postgresql]}}
//   plugins:                      # user: whom it runs as (default: nobody)
//     check_pgsql: {command: [/usr/lib/…/check_pgsql], timeout: 10s,
//                   user: nagios}
//   yara: {webshells: {rules: webshells.yar, paths: [/var/www]}}
//   baselines:                    # `sluice-agent baseline` takes and signs
//   them
//     cron: {paths: [/etc/crontab, /etc/cron.d, /var/spool/cron]}
//     setuid: {paths: [/usr, /opt], only: setuid}
//   tls-authorities: estate-ca.pem  # for https and tls; default: the system's
//   drivers:                      # points without an agent it acts for
//     plc-1: {command: [/usr/lib/sluice/drivers/linux-router, lan, wan],
//             addresses: [10.9.0.5], timeout: 5s, vital: []}

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/core/agent_core.h"
#include "agents/core/authority.h"
#include "agents/isolation/ruleset.h"
#include "common/flow.h"
#include "common/ids.h"
#include "common/prefix.h"

namespace sluice::agent {

struct UnitRule {
  std::vector<std::string> start;  // argv; empty: may not be started
  std::vector<std::string> stop;
};

struct PluginRule {
  std::vector<std::string> command;  // argv
  absl::Duration timeout = absl::Seconds(10);
  std::string user = "nobody";  // it runs as; "root": as the agent
};

struct YaraRule {
  std::string rules;               // a file
  std::vector<std::string> paths;  // whole; where it may look
};

struct BaselineFiles {
  std::vector<std::string> paths;  // whole; '*' and '?' as in a shell
  bool setuid_only = false;
};

// A point that runs no agent, and the program that this agent acts by for it.
struct DriverRule {
  std::vector<std::string> command;           // argv
  absl::Duration timeout = absl::Seconds(5);  // of each verb
  std::string user;                           // empty: as the agent
  std::vector<Prefix> addresses;              // the point's; at least one
  std::vector<Flow> vital;                    // the point's
};

struct AgentConfig {
  EstateId estate;
  HostId host;
  std::vector<std::string> orchestrators;
  std::string certificate;
  std::string key;
  std::string authority;
  std::string state = "/var/lib/sluice-agent";
  std::string evidence_key;  // never empty once read
  std::vector<Prefix> addresses;
  std::vector<Flow> management;
  std::vector<Flow> vital;
  std::vector<std::string> interior;
  // By name. Empty: nobody can open anything on this host.
  std::vector<Approver> approvers;
  Quorum quorum;
  std::map<StageId, Quorum> quorum_at;
  std::string break_glass;  // an OpenSSH line; empty: no break-glass here
  // Rotations up to this one are written into this file: they rule no more.
  uint64_t trust_serial = 0;
  std::map<std::string, UnitRule> units;
  std::map<std::string, PluginRule> plugins;
  std::map<std::string, YaraRule> yara;
  std::map<std::string, BaselineFiles> baselines;
  std::string tls_authorities;  // empty: the system's own
  std::map<HostId, DriverRule> drivers;
  // Why nobody is believed and nothing is started here, whatever the file says
  // (kept_config.h); empty as a rule.
  std::string suspended;
};

// Unknown fields, duplicate keys, aliases and a second document are errors:
// "agent.yaml:12:3: …".
absl::StatusOr<AgentConfig> ReadConfig(const std::string& path);

// The file as it stands, at most 1 MiB.
absl::StatusOr<std::string> ReadConfigText(const std::string& path);

// As ReadConfig(), from a text; `path` is for messages and relative paths.
absl::StatusOr<AgentConfig> ParseConfig(const std::string& text,
                                        const std::string& path);

// Where a file tells that this host has had a state: beside its certificate,
// so that it does not go with the state.
std::string StateWitness(const AgentConfig& config);

// What of it the fence has to know.
RulesetOptions RulesetOptionsOf(const AgentConfig& config);

// Where its agent keeps what it knows of a point that it acts for.
std::string PointState(const AgentConfig& config, const HostId& point);

// What of it the core has to know.
CoreOptions CoreOptionsOf(const AgentConfig& config, std::string version);
// The same of a point that it acts for. REQUIRES: one of config.drivers.
CoreOptions CoreOptionsFor(const HostId& point, const AgentConfig& config,
                           std::string version);

}  // namespace sluice::agent
