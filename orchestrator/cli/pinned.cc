#include "orchestrator/cli/pinned.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/ssh_key.h"
#include "common/status.h"
#include "orchestrator/cli/drafts.h"
#include "orchestrator/cli/files.h"

namespace sluice::cli {
namespace {

constexpr size_t kLargest = 1 << 20;

struct Person {
  std::set<std::string> roles;
  std::string key;
};
using Quorum = std::map<std::string, int>;

struct Pinned {
  std::string host;
  std::map<std::string, Person> approvers;
  Quorum quorum;
  std::map<std::string, Quorum> quorum_at;
  Mentioned listed;
};

std::string Canonical(const std::string& line) {
  const auto key = SshPublicKey::Parse(line);
  return key.ok() ? key->Line() : line;
}

Quorum ReadQuorum(const YAML::Node& node) {
  Quorum quorum;
  for (const auto& entry : node) {
    quorum[entry.first.Scalar()] = entry.second.as<int>();
  }
  return quorum;
}

Pinned FromYaml(const YAML::Node& root) {
  Pinned pinned;
  pinned.host = root["host"].as<std::string>();
  for (const auto& entry : root["approvers"]) {
    Person& person = pinned.approvers[entry.first.Scalar()];
    person.key = Canonical(entry.second["key"].as<std::string>());
    for (const YAML::Node& role : entry.second["roles"]) {
      person.roles.insert(role.Scalar());
    }
  }
  pinned.quorum = ReadQuorum(root["quorum"]);
  for (const auto& entry : root["quorum-at"]) {
    pinned.quorum_at[entry.first.Scalar()] = ReadQuorum(entry.second);
  }
  const auto names = [&root](const char* key) {
    std::set<std::string> all;
    for (const auto& entry : root[key]) all.insert(entry.first.Scalar());
    return all;
  };
  pinned.listed = {names("units"), names("plugins"), names("yara"),
                   names("baselines")};
  return pinned;
}

absl::StatusOr<Pinned> Read(const std::string& file) {
  SLUICE_ASSIGN_OR_RETURN(const std::string text,
                          ReadWholeFile(file, kLargest));
  try {
    return FromYaml(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(
        file, ":", error.mark.line + 1, ": is not an agent.yaml: ", error.msg));
  }
}

std::string Roles(const std::set<std::string>& roles) {
  return roles.empty() ? "none" : absl::StrJoin(roles, ", ");
}

void ComparePeople(const Plan& plan, const Pinned& pinned,
                   std::vector<std::string>* found) {
  for (const Approver& approver : plan.approvers) {
    const auto at = pinned.approvers.find(approver.id.str());
    if (at == pinned.approvers.end()) {
      found->push_back(absl::StrCat(pinned.host, " does not know ",
                                    approver.id.str(),
                                    ": nothing they sign counts there"));
      continue;
    }
    if (at->second.key != Canonical(approver.key)) {
      found->push_back(
          absl::StrCat(pinned.host, " pins another key for ", approver.id.str(),
                       " than the manifest: nothing they sign counts there"));
    }
    std::set<std::string> roles;
    for (const RoleId& role : approver.roles) roles.insert(role.str());
    if (roles != at->second.roles) {
      found->push_back(absl::StrCat(pinned.host, " gives ", approver.id.str(),
                                    " the roles ", Roles(at->second.roles),
                                    ", the manifest ", Roles(roles)));
    }
  }
  for (const auto& [name, person] : pinned.approvers) {
    if (plan.FindApprover(OperatorId(name)) == nullptr) {
      found->push_back(absl::StrCat(pinned.host, " believes ", name,
                                    ", whom the manifest does not name"));
    }
  }
}

void CompareQuorums(const Plan& plan, const Pinned& pinned,
                    std::vector<std::string>* found) {
  for (const PlannedStage& stage : plan.stages) {
    Quorum wanted = pinned.quorum;
    const auto more = pinned.quorum_at.find(stage.id.str());
    if (more != pinned.quorum_at.end()) {
      for (const auto& [role, count] : more->second) {
        wanted[role] = std::max(wanted[role], count);
      }
    }
    for (const auto& [role, count] : wanted) {
      const auto asked = stage.gate.approvals.find(RoleId(role));
      const int got = asked == stage.gate.approvals.end() ? 0 : asked->second;
      if (got >= count) continue;
      found->push_back(
          absl::StrCat(pinned.host, " wants ", count, " ", role, " at gate ",
                       stage.id.str(), ", which asks for ", got,
                       ": it will refuse what that gate releases"));
    }
  }
  for (const auto& [stage, quorum] : pinned.quorum_at) {
    if (plan.FindStage(StageId(stage)) == nullptr) {
      found->push_back(absl::StrCat(pinned.host, " pins a quorum for stage ",
                                    stage, ", which the manifest has not"));
    }
  }
}

// What the orchestrator would ask for and the host refuse.
void CompareNames(const Mentioned& asked, const Pinned& pinned,
                  std::vector<std::string>* found) {
  const auto compare = [&](const std::set<std::string>& wanted,
                           const std::set<std::string>& listed,
                           const char* what, const char* then) {
    for (const std::string& name : wanted) {
      if (listed.contains(name)) continue;
      found->push_back(absl::StrCat(pinned.host, " does not list ", what, " '",
                                    name,
                                    "', which the manifest names: ", then));
    }
  };
  constexpr char kNeverPasses[] = "such a check is never a pass there";
  compare(asked.units, pinned.listed.units, "unit",
          "it refuses to start or stop it");
  compare(asked.plugins, pinned.listed.plugins, "plugin", kNeverPasses);
  compare(asked.yara, pinned.listed.yara, "YARA rules", kNeverPasses);
  compare(asked.baselines, pinned.listed.baselines, "baseline", kNeverPasses);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> PinnedDifferences(
    const Plan& plan, const std::string& file) {
  SLUICE_ASSIGN_OR_RETURN(const Pinned pinned, Read(file));
  std::vector<std::string> found;
  const PlannedHost* host = plan.FindHost(HostId(pinned.host));
  if (host == nullptr) {
    found.push_back(absl::StrCat(pinned.host, " is no host of the manifest"));
    return found;
  }
  ComparePeople(plan, pinned, &found);
  CompareQuorums(plan, pinned, &found);
  CompareNames(MentionedOn(plan, *host), pinned, &found);
  return found;
}

}  // namespace sluice::cli
