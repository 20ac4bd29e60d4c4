#include "agents/host/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agents/core/state.h"
#include "agents/isolation/packet_log.h"
#include "common/ssh_key.h"
#include "common/sshsig.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxBytes = 1 << 20;

// One file being read: knows its name, so that every error says where.
class Source {
 public:
  explicit Source(const std::string& path) : path_(path) {}

  absl::Status Error(const YAML::Node& node, absl::string_view why) const {
    const YAML::Mark mark = node.Mark();
    return absl::InvalidArgumentError(absl::StrCat(
        path_, ":", mark.line + 1, ":", mark.column + 1, ": ", why));
  }

  // Calls `field(name, value)` for each entry; one it does not know is an
  // error, and so is one that stands twice.
  absl::Status EachField(
      const YAML::Node& map, absl::string_view what,
      const std::function<absl::StatusOr<bool>(
          const std::string&, const YAML::Node&)>& field) const {
    if (!map.IsMap()) return Error(map, absl::StrCat(what, " is a map"));
    std::set<std::string> seen;
    for (const auto& entry : map) {
      SLUICE_ASSIGN_OR_RETURN(const std::string name, Text(entry.first));
      if (!seen.insert(name).second) {
        return Error(entry.first, absl::StrCat("'", name, "' stands twice"));
      }
      SLUICE_ASSIGN_OR_RETURN(const bool known, field(name, entry.second));
      if (!known) {
        return Error(entry.first, absl::StrCat("'", OneLine(name, 60),
                                               "' is not a field of ", what));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Text(const YAML::Node& node) const {
    if (!node.IsScalar() || node.Scalar().empty()) {
      return Error(node, "a text is expected here");
    }
    if (OneLine(node.Scalar(), 4096) != node.Scalar()) {
      return Error(node,
                   "this text has control characters, spaces around it "
                   "or is over 4096 bytes");
    }
    return node.Scalar();
  }

  absl::StatusOr<std::string> NameOf(const YAML::Node& node) const {
    SLUICE_ASSIGN_OR_RETURN(std::string text, Text(node));
    if (!IsName(text)) return Error(node, "a name has no spaces");
    return text;
  }

  absl::StatusOr<std::vector<std::string>> Texts(const YAML::Node& node) const {
    if (!node.IsSequence()) return Error(node, "a list is expected here");
    std::vector<std::string> texts;
    for (const YAML::Node& entry : node) {
      SLUICE_ASSIGN_OR_RETURN(std::string text, Text(entry));
      texts.push_back(std::move(text));
    }
    return texts;
  }

  template <class T>
  absl::StatusOr<std::vector<T>> Parsed(const YAML::Node& node) const {
    std::vector<T> values;
    SLUICE_ASSIGN_OR_RETURN(const std::vector<std::string> texts, Texts(node));
    for (size_t i = 0; i < texts.size(); ++i) {
      absl::StatusOr<T> value = T::Parse(texts[i]);
      if (!value.ok()) return Error(node[i], value.status().message());
      values.push_back(*std::move(value));
    }
    return values;
  }

  // Relative to the file's own directory.
  absl::StatusOr<std::string> Path(const YAML::Node& node) const {
    SLUICE_ASSIGN_OR_RETURN(std::string text, Text(node));
    const size_t slash = path_.rfind('/');
    if (text[0] == '/' || slash == std::string::npos) return text;
    return absl::StrCat(path_.substr(0, slash + 1), text);
  }

  // A program by its whole path, or one of the system's by name; never a
  // shell's sentence.
  absl::StatusOr<std::vector<std::string>> Argv(const YAML::Node& node) const {
    SLUICE_ASSIGN_OR_RETURN(std::vector<std::string> argv, Texts(node));
    if (argv.empty()) {
      return Error(node, "a command is a list: [program, argument, …]");
    }
    return argv;
  }

 private:
  const std::string path_;
};

absl::Status ReadUnits(const Source& source, const YAML::Node& node,
                       AgentConfig& config) {
  return source.EachField(
      node, "units",
      [&](const std::string& unit,
          const YAML::Node& value) -> absl::StatusOr<bool> {
        UnitRule rule{.start = {"/usr/bin/systemctl", "start", unit},
                      .stop = {"/usr/bin/systemctl", "stop", unit}};
        if (!IsName(unit) || unit[0] == '-') {
          return source.Error(value, "this is not a unit's name");
        }
        if (!value.IsNull()) {
          SLUICE_RETURN_IF_ERROR(source.EachField(
              value, "a unit",
              [&](const std::string& name,
                  const YAML::Node& argv) -> absl::StatusOr<bool> {
                if (name != "start" && name != "stop") return false;
                SLUICE_ASSIGN_OR_RETURN(
                    (name == "start" ? rule.start : rule.stop),
                    source.Argv(argv));
                return true;
              }));
        }
        config.units[unit] = std::move(rule);
        return true;
      });
}

absl::Status ReadPlugins(const Source& source, const YAML::Node& node,
                         AgentConfig& config) {
  return source.EachField(
      node, "plugins",
      [&](const std::string& plugin,
          const YAML::Node& value) -> absl::StatusOr<bool> {
        PluginRule rule;
        SLUICE_RETURN_IF_ERROR(source.EachField(
            value, "a plugin",
            [&](const std::string& name,
                const YAML::Node& field) -> absl::StatusOr<bool> {
              if (name == "command") {
                SLUICE_ASSIGN_OR_RETURN(rule.command, source.Argv(field));
                if (rule.command[0][0] != '/') {
                  return source.Error(field,
                                      "a plugin is named by its whole path");
                }
              } else if (name == "timeout") {
                SLUICE_ASSIGN_OR_RETURN(const std::string text,
                                        source.Text(field));
                if (!absl::ParseDuration(text, &rule.timeout) ||
                    rule.timeout <= absl::ZeroDuration() ||
                    rule.timeout > absl::Minutes(5)) {
                  return source.Error(field,
                                      "write a time up to 5m, such as 10s");
                }
              } else if (name == "user") {
                SLUICE_ASSIGN_OR_RETURN(rule.user, source.NameOf(field));
              } else {
                return false;
              }
              return true;
            }));
        if (rule.command.empty()) {
          return source.Error(value, "a plugin needs its command");
        }
        config.plugins[plugin] = std::move(rule);
        return true;
      });
}

absl::StatusOr<bool> ReadDriverField(const Source& source,
                                     const std::string& name,
                                     const YAML::Node& field,
                                     DriverRule& rule) {
  if (name == "command") {
    SLUICE_ASSIGN_OR_RETURN(rule.command, source.Argv(field));
    if (rule.command[0][0] != '/') {
      return source.Error(field, "a driver is named by its whole path");
    }
  } else if (name == "timeout") {
    SLUICE_ASSIGN_OR_RETURN(const std::string text, source.Text(field));
    if (!absl::ParseDuration(text, &rule.timeout) ||
        rule.timeout <= absl::ZeroDuration() ||
        rule.timeout > absl::Minutes(1)) {
      return source.Error(field, "write a time up to 1m, such as 5s");
    }
  } else if (name == "user") {
    SLUICE_ASSIGN_OR_RETURN(rule.user, source.NameOf(field));
  } else if (name == "addresses") {
    SLUICE_ASSIGN_OR_RETURN(rule.addresses, source.Parsed<Prefix>(field));
  } else if (name == "vital") {
    SLUICE_ASSIGN_OR_RETURN(rule.vital, source.Parsed<Flow>(field));
  } else {
    return false;
  }
  return true;
}

absl::Status ReadDrivers(const Source& source, const YAML::Node& node,
                         AgentConfig& config) {
  return source.EachField(
      node, "drivers",
      [&](const std::string& point,
          const YAML::Node& value) -> absl::StatusOr<bool> {
        // It names a folder of the state directory.
        if (!IsName(point) || point[0] == '.' ||
            absl::StrContains(point, "/")) {
          return source.Error(value, "a point's name is a host's");
        }
        DriverRule rule;
        SLUICE_RETURN_IF_ERROR(source.EachField(
            value, "a driver",
            [&](const std::string& name, const YAML::Node& field) {
              return ReadDriverField(source, name, field, rule);
            }));
        if (rule.command.empty() || rule.addresses.empty()) {
          return source.Error(
              value, "a driver has its 'command' and the point's 'addresses'");
        }
        config.drivers[HostId(point)] = std::move(rule);
        return true;
      });
}

absl::Status ReadYara(const Source& source, const YAML::Node& node,
                      AgentConfig& config) {
  return source.EachField(
      node, "yara",
      [&](const std::string& name,
          const YAML::Node& value) -> absl::StatusOr<bool> {
        YaraRule rule;
        SLUICE_RETURN_IF_ERROR(source.EachField(
            value, "yara rules",
            [&](const std::string& field,
                const YAML::Node& what) -> absl::StatusOr<bool> {
              if (field == "rules") {
                SLUICE_ASSIGN_OR_RETURN(rule.rules, source.Path(what));
                return true;
              }
              if (field != "paths") return false;
              SLUICE_ASSIGN_OR_RETURN(rule.paths, source.Texts(what));
              for (std::string& path : rule.paths) {
                if (path[0] != '/' || absl::StrContains(path, "..")) {
                  return source.Error(what, "where to look is whole paths");
                }
                while (path.size() > 1 && path.back() == '/') path.pop_back();
              }
              return true;
            }));
        if (rule.rules.empty() || rule.paths.empty()) {
          return source.Error(value, "yara rules have 'rules' and 'paths'");
        }
        config.yara[name] = std::move(rule);
        return true;
      });
}

absl::Status ReadBaselines(const Source& source, const YAML::Node& node,
                           AgentConfig& config) {
  return source.EachField(
      node, "baselines",
      [&](const std::string& name,
          const YAML::Node& value) -> absl::StatusOr<bool> {
        // It names a file of the state directory.
        if (!IsName(name) || name[0] == '.' || absl::StrContains(name, "/")) {
          return source.Error(value, "a baseline's name is a plain word");
        }
        BaselineFiles files;
        SLUICE_RETURN_IF_ERROR(source.EachField(
            value, "a baseline",
            [&](const std::string& field,
                const YAML::Node& what) -> absl::StatusOr<bool> {
              if (field == "only") {
                SLUICE_ASSIGN_OR_RETURN(const std::string only,
                                        source.Text(what));
                if (only != "setuid") {
                  return source.Error(what, "only 'setuid' is known here");
                }
                files.setuid_only = true;
                return true;
              }
              if (field != "paths") return false;
              SLUICE_ASSIGN_OR_RETURN(files.paths, source.Texts(what));
              for (const std::string& path : files.paths) {
                if (path[0] != '/') {
                  return source.Error(what, "a baseline's paths are whole");
                }
              }
              return true;
            }));
        if (files.paths.empty()) {
          return source.Error(value, "a baseline needs its 'paths'");
        }
        config.baselines[name] = std::move(files);
        return true;
      });
}

absl::Status ReadApprovers(const Source& source, const YAML::Node& node,
                           AgentConfig& config) {
  SLUICE_RETURN_IF_ERROR(source.EachField(
      node, "approvers",
      [&](const std::string& person,
          const YAML::Node& value) -> absl::StatusOr<bool> {
        Approver approver{.id = OperatorId(person)};
        SLUICE_RETURN_IF_ERROR(source.EachField(
            value, "an approver",
            [&](const std::string& name,
                const YAML::Node& field) -> absl::StatusOr<bool> {
              if (name == "roles") {
                SLUICE_ASSIGN_OR_RETURN(const std::vector<std::string> roles,
                                        source.Texts(field));
                approver.roles.insert(roles.begin(), roles.end());
                return true;
              }
              if (name != "key") return false;
              SLUICE_ASSIGN_OR_RETURN(const std::string line,
                                      source.Text(field));
              const auto key = SshPublicKey::Parse(line);
              if (!key.ok()) return source.Error(field, key.status().message());
              approver.key = key->Line();  // one key, one spelling, one vote
              return true;
            }));
        if (approver.roles.empty() || approver.key.empty()) {
          return source.Error(value, "an approver has roles and a key");
        }
        config.approvers.push_back(std::move(approver));
        return true;
      }));
  std::sort(config.approvers.begin(), config.approvers.end(),
            [](const Approver& a, const Approver& b) { return a.id < b.id; });
  return absl::OkStatus();
}

absl::StatusOr<Quorum> ReadQuorum(const Source& source,
                                  const YAML::Node& node) {
  Quorum quorum;
  SLUICE_RETURN_IF_ERROR(source.EachField(
      node, "a quorum",
      [&](const std::string& role,
          const YAML::Node& value) -> absl::StatusOr<bool> {
        SLUICE_ASSIGN_OR_RETURN(const std::string text, source.Text(value));
        int count = 0;
        if (!absl::SimpleAtoi(text, &count) || count < 1 || count > 100) {
          return source.Error(value, "write how many people: 1 to 100");
        }
        quorum[RoleId(role)] = count;
        return true;
      }));
  return quorum;
}

absl::Status ReadQuorumAt(const Source& source, const YAML::Node& node,
                          AgentConfig& config) {
  return source.EachField(node, "quorum-at",
                          [&](const std::string& stage,
                              const YAML::Node& value) -> absl::StatusOr<bool> {
                            SLUICE_ASSIGN_OR_RETURN(
                                config.quorum_at[StageId(stage)],
                                ReadQuorum(source, value));
                            return true;
                          });
}

// A minimum that nobody named here can meet closes the host for good; that is
// found now, not in the night it matters.
absl::Status CheckQuorums(const AgentConfig& config, const std::string& path) {
  std::vector<Quorum> quorums = {config.quorum};
  for (const auto& [stage, quorum] : config.quorum_at) {
    quorums.push_back(quorum);
  }
  for (const Quorum& quorum : quorums) {
    for (const auto& [role, wanted] : quorum) {
      std::set<std::string> keys;
      for (const Approver& approver : config.approvers) {
        if (approver.roles.contains(role)) keys.insert(approver.key);
      }
      if (static_cast<int>(keys.size()) >= wanted) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": the quorum wants ", wanted, " ", role.str(),
          " and 'approvers' names ", keys.size(),
          " with keys of their own; add approvers or ask for fewer"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadBreakGlass(const Source& source, const YAML::Node& node,
                            AgentConfig& config) {
  SLUICE_RETURN_IF_ERROR(source.EachField(
      node, "break-glass",
      [&](const std::string& name,
          const YAML::Node& value) -> absl::StatusOr<bool> {
        if (name != "key") return false;
        SLUICE_ASSIGN_OR_RETURN(const std::string line, source.Text(value));
        const auto key = SshPublicKey::Parse(line);
        if (!key.ok()) return source.Error(value, key.status().message());
        config.break_glass = key->Line();
        return true;
      }));
  if (config.break_glass.empty()) {
    return source.Error(node, "break-glass has a key, or is left out");
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ReadField(const Source& source, const std::string& name,
                               const YAML::Node& value, AgentConfig& config) {
  if (name == "estate") {
    SLUICE_ASSIGN_OR_RETURN(std::string text, source.NameOf(value));
    config.estate = EstateId(std::move(text));
  } else if (name == "host") {
    SLUICE_ASSIGN_OR_RETURN(std::string text, source.NameOf(value));
    config.host = HostId(std::move(text));
  } else if (name == "orchestrators") {
    SLUICE_ASSIGN_OR_RETURN(config.orchestrators, source.Texts(value));
  } else if (name == "certificate") {
    SLUICE_ASSIGN_OR_RETURN(config.certificate, source.Path(value));
  } else if (name == "key") {
    SLUICE_ASSIGN_OR_RETURN(config.key, source.Path(value));
  } else if (name == "authority") {
    SLUICE_ASSIGN_OR_RETURN(config.authority, source.Path(value));
  } else if (name == "state") {
    SLUICE_ASSIGN_OR_RETURN(config.state, source.Path(value));
  } else if (name == "evidence-key") {
    SLUICE_ASSIGN_OR_RETURN(config.evidence_key, source.Path(value));
  } else if (name == "addresses") {
    SLUICE_ASSIGN_OR_RETURN(config.addresses, source.Parsed<Prefix>(value));
  } else if (name == "management") {
    SLUICE_ASSIGN_OR_RETURN(config.management, source.Parsed<Flow>(value));
  } else if (name == "vital") {
    SLUICE_ASSIGN_OR_RETURN(config.vital, source.Parsed<Flow>(value));
  } else if (name == "interior") {
    SLUICE_ASSIGN_OR_RETURN(config.interior, source.Texts(value));
    const absl::Status status = CheckOptions(RulesetOptionsOf(config));
    if (!status.ok()) return source.Error(value, status.message());
  } else if (name == "approvers") {
    SLUICE_RETURN_IF_ERROR(ReadApprovers(source, value, config));
  } else if (name == "quorum") {
    SLUICE_ASSIGN_OR_RETURN(config.quorum, ReadQuorum(source, value));
  } else if (name == "quorum-at") {
    SLUICE_RETURN_IF_ERROR(ReadQuorumAt(source, value, config));
  } else if (name == "trust-serial") {
    SLUICE_ASSIGN_OR_RETURN(const std::string text, source.Text(value));
    if (!absl::SimpleAtoi(text, &config.trust_serial)) {
      return source.Error(value, "write the serial of a rotation, or 0");
    }
  } else if (name == "break-glass") {
    SLUICE_RETURN_IF_ERROR(ReadBreakGlass(source, value, config));
  } else if (name == "units") {
    SLUICE_RETURN_IF_ERROR(ReadUnits(source, value, config));
  } else if (name == "plugins") {
    SLUICE_RETURN_IF_ERROR(ReadPlugins(source, value, config));
  } else if (name == "yara") {
    SLUICE_RETURN_IF_ERROR(ReadYara(source, value, config));
  } else if (name == "baselines") {
    SLUICE_RETURN_IF_ERROR(ReadBaselines(source, value, config));
  } else if (name == "drivers") {
    SLUICE_RETURN_IF_ERROR(ReadDrivers(source, value, config));
  } else if (name == "tls-authorities") {
    SLUICE_ASSIGN_OR_RETURN(config.tls_authorities, source.Path(value));
  } else {
    return false;
  }
  return true;
}

// The addresses of this host, in the order its flows name them.
void FillAddresses(AgentConfig& config) {
  if (!config.addresses.empty()) return;
  for (const Flow& flow : config.management) {
    const Prefix& client = flow.client;
    if (client.is_host() &&
        std::find(config.addresses.begin(), config.addresses.end(), client) ==
            config.addresses.end()) {
      config.addresses.push_back(client);
    }
  }
}

absl::Status CheckWhole(const AgentConfig& config, const std::string& path) {
  const std::pair<bool, absl::string_view> wanted[] = {
      {config.estate.empty(), "estate"},
      {config.host.empty(), "host"},
      {config.orchestrators.empty(), "orchestrators"},
      {config.certificate.empty(), "certificate"},
      {config.key.empty(), "key"},
      {config.authority.empty(), "authority"},
      {config.management.empty(), "management"},
  };
  for (const auto& [missing, name] : wanted) {
    if (!missing) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": '", name, "' is missing; `sluice init` writes a whole file"));
  }
  if (config.drivers.contains(config.host)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": 'drivers' names ", config.host.str(),
        ", which is this host itself: its own kernel closes its flows"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AgentConfig> ParseConfig(const std::string& text,
                                        const std::string& path) {
  AgentConfig config;
  const Source source(path);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": one YAML document is expected, here are ",
                       documents.size()));
    }
    SLUICE_RETURN_IF_ERROR(
        source.EachField(documents[0], "agent.yaml",
                         [&](const std::string& name, const YAML::Node& value) {
                           return ReadField(source, name, value, config);
                         }));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", error.mark.line + 1, ":", error.mark.column + 1,
                     ": ", error.msg));
  }
  FillAddresses(config);
  if (config.evidence_key.empty()) {
    config.evidence_key = absl::StrCat(config.state, "/evidence.key");
  }
  SLUICE_RETURN_IF_ERROR(CheckWhole(config, path));
  SLUICE_RETURN_IF_ERROR(CheckQuorums(config, path));
  return config;
}

absl::StatusOr<std::string> ReadConfigText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(absl::StrCat(
        path, ": cannot be read; name the host's file with --config"));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": over 1 MiB, which no agent.yaml is"));
  }
  text.shrink_to_fit();  // it is kept as long as the agent runs
  return text;
}

absl::StatusOr<AgentConfig> ReadConfig(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const std::string text, ReadConfigText(path));
  return ParseConfig(text, path);
}

std::string StateWitness(const AgentConfig& config) {
  return absl::StrCat(config.certificate, ".state-kept");
}

RulesetOptions RulesetOptionsOf(const AgentConfig& config) {
  RulesetOptions options;
  options.interior = config.interior;
  options.log_group = kLogGroup;
  return options;
}

CoreOptions CoreOptionsOf(const AgentConfig& config, std::string version) {
  CoreOptions options{.estate = config.estate,
                      .host = config.host,
                      .version = std::move(version),
                      .management = config.management,
                      .vital = config.vital};
  for (const auto& [unit, rule] : config.units) options.units.insert(unit);
  for (const auto& [name, rule] : config.plugins) {
    options.may_run.insert(absl::StrCat("plugin ", name));
  }
  for (const auto& [name, rule] : config.yara) {
    options.may_run.insert(absl::StrCat("yara ", name));
  }
  for (const auto& [name, rule] : config.baselines) {
    options.may_run.insert(absl::StrCat("baseline ", name));
  }
  options.break_glass = config.break_glass;
  static const SshVerifier verifier;
  options.trust = {.approvers = config.approvers,
                   .quorum = config.quorum,
                   .stages = config.quorum_at,
                   .serial = config.trust_serial,
                   .suspended = config.suspended,
                   .verifier = &verifier};
  return options;
}

std::string PointState(const AgentConfig& config, const HostId& point) {
  return absl::StrCat(config.state, "/point-", point.str());
}

CoreOptions CoreOptionsFor(const HostId& point, const AgentConfig& config,
                           std::string version) {
  CoreOptions options = CoreOptionsOf(config, std::move(version));
  options.host = point;
  options.driven_by = config.host;
  options.management.clear();
  options.vital = config.drivers.at(point).vital;
  options.units.clear();
  return options;
}

}  // namespace sluice::agent
