#include "orchestrator/cli/drafts.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace sluice::cli {
namespace {

std::string YamlList(const std::vector<std::string>& items) {
  return absl::StrCat("[",
                      absl::StrJoin(items, ", ",
                                    [](std::string* out, const auto& item) {
                                      absl::StrAppend(out, YamlText(item));
                                    }),
                      "]");
}

// "key: []", or one item a line.
std::string YamlLines(absl::string_view key, const std::set<std::string>& all) {
  if (all.empty()) return absl::StrCat(key, ": []\n");
  std::string out = absl::StrCat(key, ":\n");
  for (const std::string& one : all) {
    absl::StrAppend(&out, "  - ", YamlText(one), "\n");
  }
  return out;
}

// Host to orchestrator, for every pair of addresses of one family.
std::set<std::string> ManagementFlows(const Plan& plan,
                                      const PlannedHost& host) {
  std::set<std::string> lines;
  for (const std::string& text : plan.management.orchestrators) {
    const auto endpoint = Endpoint::Parse(text);
    if (!endpoint.ok()) continue;
    for (const Prefix& address : host.addresses) {
      if (address.family() != endpoint->address.family()) continue;
      lines.insert(Flow{.protocol = Protocol::kTcp,
                        .client = address,
                        .server = endpoint->address,
                        .ports = {endpoint->port, endpoint->port}}
                       .Line());
    }
  }
  return lines;
}

std::string UnitsYaml(const std::set<std::string>& units) {
  std::string out =
      "# The units that may be started and stopped here. Without commands of\n"
      "# their own, `systemctl start UNIT` and `systemctl stop UNIT` are run:\n"
      "#   postgresql.service:\n"
      "#     start: [/usr/local/sbin/db-up]\n"
      "#     stop: [/usr/local/sbin/db-down]\n";
  if (units.empty()) return absl::StrCat(out, "units: {}\n");
  absl::StrAppend(&out, "units:\n");
  for (const std::string& unit : units) {
    absl::StrAppend(&out, "  ", YamlText(unit), ": {}\n");
  }
  return out;
}

std::string PluginsYaml(const std::set<std::string>& plugins) {
  std::string out =
      "# The check plugins that may be run here, by the name the manifest\n"
      "# uses. Each needs its command, in full:\n"
      "#   check_pgsql:\n"
      "#     command: [/usr/lib/nagios/plugins/check_pgsql, -d, billing]\n"
      "#     timeout: 10s\n"
      "#     user: nobody\n";
  if (plugins.empty()) return absl::StrCat(out, "plugins: {}\n");
  absl::StrAppend(&out,
                  "# The manifest asks for the ones below; complete and "
                  "uncomment them. Until\n"
                  "# then such a check is inconclusive, and never a pass.\n");
  for (const std::string& plugin : plugins) {
    absl::StrAppend(&out, "#   ", YamlText(plugin),
                    ": {command: [/…], user: nobody}\n");
  }
  return absl::StrCat(out, "plugins: {}\n");
}

// Points without an agent that the manifest drives through this host.
std::string DriversYaml(const Plan& plan, const PlannedHost& host) {
  std::string points;
  for (const PlannedHost& point : plan.hosts) {
    if (point.grade != Grade::kDriven || point.acting != host.id) continue;
    std::vector<std::string> addresses;
    for (const Prefix& address : point.addresses) {
      addresses.push_back(address.ToString());
    }
    std::vector<std::string> vital;
    for (const Flow& flow : point.vital) vital.push_back(flow.Line());
    absl::StrAppend(
        &points, "#   ", YamlText(point.id.str()),
        ":\n#     command: [/…]\n#     addresses: ", YamlList(addresses),
        "\n#     vital: ", YamlList(vital), "\n");
  }
  if (points.empty()) return "";
  return absl::StrCat(
      "\n"
      "# Points without an agent that this one acts for. Each needs its "
      "driver\n"
      "# in full (drivers/README.md); complete and uncomment them. Until then\n"
      "# nobody closes or opens there.\n"
      "# drivers:\n",
      points);
}

// A map that the manifest names entries of and only the host can complete.
std::string NamedYaml(absl::string_view key, absl::string_view comment,
                      absl::string_view entry,
                      const std::set<std::string>& names) {
  std::string out(comment);
  if (!names.empty()) {
    absl::StrAppend(&out,
                    "# The manifest asks for the ones below; complete and "
                    "uncomment them. Until\n"
                    "# then such a check is inconclusive, and never a pass.\n");
  }
  for (const std::string& name : names) {
    absl::StrAppend(&out, "#   ", YamlText(name), ": ", entry, "\n");
  }
  return absl::StrCat(out, key, ": {}\n");
}

std::string ReadingYaml(const Mentioned& mentioned) {
  return absl::StrCat(
      NamedYaml("yara",
                "# Which YARA rules may look where, by the name the manifest "
                "uses:\n"
                "#   webshells: {rules: webshells.yar, paths: [/var/www]}\n",
                "{rules: FILE, paths: [/…]}", mentioned.yara),
      "\n",
      NamedYaml("baselines",
                "# What the check `files` compares; `sluice-agent baseline` "
                "takes it while the\n"
                "# host is well:\n"
                "#   cron: {paths: [/etc/crontab, /etc/cron.d]}\n"
                "#   setuid: {paths: [/usr], only: setuid}\n",
                "{paths: [/…]}", mentioned.baselines));
}

constexpr char kBreakGlassYaml[] =
    "# The way out when the orchestrator is lost: `sluice-agent release` with\n"
    "# this key opens this host. Keep it on hardware, in a safe; see the\n"
    "# operations guide. Without one this host opens by its gates alone.\n"
    "# break-glass: {key: \"ssh-ed25519 AAAA…\"}\n";

constexpr char kInteriorYaml[] =
    "# Interfaces that lead only to guests of this host (containers, virtual\n"
    "# machines), open between host and guests even in quarantine:\n"
    "# interior: [docker0]\n";

// Whom this host believes, and at least how many of them. The lowest count
// that every gate of the manifest asks for: a person may pin more.
std::string ApproversYaml(const Plan& plan) {
  std::string out =
      "# Whose signatures open anything here: their roles and SSH keys. No\n"
      "# orchestrator can change this; without approvers nothing opens.\n";
  std::string people;
  for (const Approver& approver : plan.approvers) {
    if (approver.key.empty()) {
      absl::StrAppend(&out, "# ", approver.id.str(),
                      " has no `key` in the manifest and is left out.\n");
      continue;
    }
    std::vector<std::string> roles;
    for (const RoleId& role : approver.roles) roles.push_back(role.str());
    absl::StrAppend(&people, "  ", YamlText(approver.id.str()),
                    ":\n    roles: ", YamlList(roles),
                    "\n    key: ", YamlText(approver.key), "\n");
  }
  absl::StrAppend(&out, "approvers:", people.empty() ? " {}\n" : "\n", people);
  std::map<RoleId, int> least = AskedEverywhere(plan);
  if (people.empty()) least.clear();
  std::vector<std::string> wanted;
  for (const auto& [role, count] : least) {
    wanted.push_back(absl::StrCat(YamlText(role.str()), ": ", count));
  }
  absl::StrAppend(
      &out,
      "# At least so many of them, whatever a gate asks for; every gate of "
      "the\n"
      "# manifest asks for these. More at single stages: quorum-at: {STAGE: "
      "{…}}\n"
      "quorum: {",
      absl::StrJoin(wanted, ", "), "}\n");
  return out;
}

}  // namespace

Mentioned MentionedOn(const Plan& plan, const PlannedHost& host) {
  Mentioned mentioned;
  const auto note = [](const CheckSpec& spec, const char* kind, const char* key,
                       std::set<std::string>* names) {
    if (spec.kind != kind) return;
    const auto found = spec.args.find(key);
    if (found != spec.args.end()) names->insert(found->second);
  };
  const auto note_checks = [&](const std::vector<PlannedCheck>& checks) {
    for (const PlannedCheck& check : checks) {
      note(check.spec, "plugin", "plugin", &mentioned.plugins);
      note(check.spec, "plugin", "name", &mentioned.plugins);
      note(check.spec, "yara", "rules", &mentioned.yara);
      note(check.spec, "files", "baseline", &mentioned.baselines);
    }
  };
  for (const PlannedStep& step : plan.steps) {
    if (std::find(step.hosts.begin(), step.hosts.end(), host.id) ==
        step.hosts.end()) {
      continue;
    }
    if (!step.start_unit.empty()) mentioned.units.insert(step.start_unit);
    if (!step.stop_unit.empty()) mentioned.units.insert(step.stop_unit);
    note_checks(step.inspect);
    note_checks(step.health);
    note_checks(step.watch);
  }
  return mentioned;
}

absl::StatusOr<Endpoint> Endpoint::Parse(absl::string_view text) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("orchestrator address '", text,
                     "' is not an address and a port such as 10.77.0.1:7443 or "
                     "[fd77::1]:7443; names cannot be resolved in quarantine"));
  };
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return bad();
  absl::string_view host = text.substr(0, colon);
  const bool bracketed =
      host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = Prefix::Parse(host);
  int port = 0;
  if (!address.ok() || !address->is_host() ||
      bracketed != (address->family() == Family::kIpv6) ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 1 ||
      port > 65535) {
    return bad();
  }
  return Endpoint{*address, static_cast<uint16_t>(port)};
}

std::string YamlText(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      absl::StrAppend(&out, "\\", absl::string_view(&c, 1));
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppendFormat(&out, "\\x%02x", byte);
    } else {
      out += c;
    }
  }
  return absl::StrCat(out, "\"");
}

std::map<RoleId, int> AskedEverywhere(const Plan& plan) {
  std::map<RoleId, int> least;
  bool first = true;
  for (const PlannedStage& stage : plan.stages) {
    std::map<RoleId, int> both;
    for (const auto& [role, count] : stage.gate.approvals) {
      if (count < 1 || (!first && !least.contains(role))) continue;
      both[role] = first ? count : std::min(count, least[role]);
    }
    least = std::move(both);
    first = false;
  }
  return least;
}

std::string OrchestratorYaml(const Plan& plan) {
  std::vector<std::string> listen = plan.management.orchestrators;
  listen.push_back("unix:operator.sock");
  return absl::StrCat(
      "# The orchestrator of ", plan.estate.str(),
      ". Paths are relative to this file.\n"
      "# Start it with: sluice-orchestrator --config orchestrator.yaml\n"
      "manifest: manifest.yaml\n"
      "journal: journal.db\n"
      "listen: ",
      YamlList(listen),
      "\n"
      "certificate: server.crt\n"
      "key: server.key\n"
      "authority: ca.crt\n"
      "# Signs the certificates of hosts that enrol, and nothing else.\n"
      "issuer: issuer.crt\n"
      "issuer-key: issuer.key\n"
      "# How often agents hear from it; leases are renewed with it.\n"
      "# heartbeat: 1s\n"
      "# Run at gates, holds, isolations and alarms; the text is on stdin.\n"
      "# notify: [/usr/local/bin/tell-the-duty-officer]\n");
}

std::string AgentYaml(const Plan& plan, const PlannedHost& host) {
  const Mentioned mentioned = MentionedOn(plan, host);
  std::set<std::string> vital;
  for (const Flow& flow : host.vital) vital.insert(flow.Line());
  return absl::StrCat(
      "# The agent of ", host.id.str(), " in ", plan.estate.str(),
      ". Paths are relative to this file.\n"
      "# Start it with: sluice-agent --config agent.yaml\n"
      "# What an orchestrator may ask of this host is what is written here.\n"
      "estate: ",
      YamlText(plan.estate.str()),
      "\n"
      "host: ",
      YamlText(host.id.str()),
      "\n"
      "orchestrators: ",
      YamlList(plan.management.orchestrators),
      "\n"
      "certificate: agent.crt\n"
      "key: agent.key\n"
      "authority: ca.crt\n"
      "state: /var/lib/sluice-agent\n"
      "# What this host signs its evidence with; its public half stands in "
      "the\n"
      "# operators' hosts.keys.\n"
      "evidence-key: evidence.key\n"
      "\n"
      "# Open in quarantine too: protocol, client, server, port.\n",
      YamlLines("management", ManagementFlows(plan, host)),
      "# Kept because cutting them destroys data; `sluice-agent doctor` finds\n"
      "# more.\n",
      YamlLines("vital", vital), kInteriorYaml, "\n", ApproversYaml(plan),
      kBreakGlassYaml, "\n", UnitsYaml(mentioned.units), "\n",
      PluginsYaml(mentioned.plugins), "\n", ReadingYaml(mentioned),
      DriversYaml(plan, host));
}

std::string ClientYaml(const Plan& plan, const std::string& who) {
  // The socket first: on the orchestrator's own machine nothing has to leave
  // it, and elsewhere there is no such file and the next is tried at once.
  std::vector<std::string> orchestrators = {
      "unix:../../orchestrator/operator.sock"};
  orchestrators.insert(orchestrators.end(),
                       plan.management.orchestrators.begin(),
                       plan.management.orchestrators.end());
  return absl::StrCat(
      "# Where `sluice` finds the orchestrator of ", plan.estate.str(),
      ", and who asks.\n"
      "# Use it with --client FILE or SLUICE_CLIENT=FILE, or as\n"
      "# ~/.config/sluice/client.yaml. Paths are relative to this file.\n"
      "orchestrators: ",
      YamlList(orchestrators), "\noperator: ", YamlText(who),
      "\nauthority: ca.crt\n"
      "# Your own copy of the manifest: `sluice go` compares what the\n"
      "# orchestrator asks you to sign with it, and hosts' evidence with the\n"
      "# keys in hosts.keys beside it.\n"
      "manifest: manifest.yaml\n"
      "# The SSH key to log in and to sign decisions with; its .pub when an\n"
      "# ssh-agent holds it. Else the first of ~/.ssh/id_* is taken.\n"
      "# signing-key: ~/.ssh/id_ed25519\n");
}

}  // namespace sluice::cli
