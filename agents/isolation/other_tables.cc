#include "agents/isolation/other_tables.h"

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agents/isolation/nft.h"
#include "agents/isolation/observe_table.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

using Json = nlohmann::json;

// How their chains begin, or what their tables are called.
constexpr std::pair<const char*, const char*> kChains[] = {
    {"DOCKER", "Docker"},   {"ufw", "ufw"},          {"KUBE-", "Kubernetes"},
    {"cali-", "Calico"},    {"CILIUM_", "Cilium"},   {"CNI-", "Podman or CNI"},
    {"NETAVARK", "Podman"}, {"LIBVIRT_", "libvirt"}, {"f2b-", "fail2ban"}};
constexpr std::pair<const char*, const char*> kTables[] = {
    {"firewalld", "firewalld"}, {"libvirt_network", "libvirt"},
    {"f2b-table", "fail2ban"},  {"netavark", "Podman"},
    {"kube-proxy", "Kubernetes"}, {"crowdsec", "CrowdSec"}};
constexpr const char* kHooks[] = {"prerouting", "input", "forward", "output",
                                  "postrouting"};

std::string StringAt(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

// Whoever made the table chose its name.
std::string Plain(std::string name) {
  constexpr size_t kLongest = 40;
  name = name.substr(0, kLongest);
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return !absl::ascii_isgraph(c) && c != ' '; }, '?');
  return name;
}

std::string TableOf(const Json& object) {
  return absl::StrCat(StringAt(object, "family"), " ",
                      StringAt(object, "table"));
}

OtherTable& Found(std::map<std::string, OtherTable>& tables,
                  const Json& object) {
  OtherTable& table = tables[TableOf(object)];
  table.name = TableOf(object);
  for (const auto& [name, owner] : kTables) {
    if (StringAt(object, "table") == name) table.owner = owner;
  }
  return table;
}

void ReadChain(const Json& chain, std::map<std::string, OtherTable>& tables) {
  OtherTable& table = Found(tables, chain);
  for (const auto& [start, owner] : kChains) {
    if (table.owner.empty() &&
        absl::StartsWith(StringAt(chain, "name"), start)) {
      table.owner = owner;
    }
  }
  const std::string type = StringAt(chain, "type");
  const std::string hook = StringAt(chain, "hook");
  table.nats = table.nats || type == "nat";
  for (const char* ours : kHooks) {
    table.filters = table.filters || (type == "filter" && hook == ours);
  }
}

absl::Status Each(absl::string_view text, const char* kind,
                  absl::string_view own,
                  const std::function<void(const Json&)>& read) {
  if (text.empty()) return absl::OkStatus();
  const Json root = Json::parse(text.begin(), text.end(), nullptr,
                                /*allow_exceptions=*/false);
  if (!root.is_object() || !root.contains("nftables") ||
      !root["nftables"].is_array()) {
    return absl::DataLossError(
        "the kernel's listing of the other firewalls cannot be understood; "
        "look with `nft list ruleset`");
  }
  for (const Json& object : root["nftables"]) {
    const auto found = object.find(kind);
    if (found == object.end() || !found->is_object()) continue;
    const std::string table = TableOf(*found);
    if (table == absl::StrCat("inet ", own) ||
        table == absl::StrCat("inet ", kObserveTable)) {
      continue;
    }
    read(*found);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<OtherTable>> ParseOtherTables(
    absl::string_view chains, absl::string_view flow_tables,
    absl::string_view own) {
  std::map<std::string, OtherTable> tables;
  SLUICE_RETURN_IF_ERROR(Each(chains, "chain", own, [&](const Json& chain) {
    ReadChain(chain, tables);
  }));
  SLUICE_RETURN_IF_ERROR(
      Each(flow_tables, "flowtable", own, [&](const Json& flow_table) {
        Found(tables, flow_table).offloads = true;
      }));
  std::vector<OtherTable> all;
  for (auto& [name, table] : tables) all.push_back(std::move(table));
  return all;
}

absl::StatusOr<std::vector<OtherTable>> ReadOtherTables(
    const std::string& own) {
  Nft nft;
  SLUICE_ASSIGN_OR_RETURN(const std::string chains, nft.List("list chains"));
  SLUICE_ASSIGN_OR_RETURN(const std::string flow_tables,
                          nft.List("list flowtables"));
  return ParseOtherTables(chains, flow_tables, own);
}

std::string DescribeOtherTables(const std::vector<OtherTable>& tables) {
  std::string text;
  for (const OtherTable& table : tables) {
    std::vector<std::string> does;
    if (table.filters) does.push_back("filters");
    if (table.nats) does.push_back("translates addresses");
    if (table.offloads) {
      does.push_back(
          "has a flow table: what it\n    carries for others is cut by "
          "isolating, not by a lease that runs out");
    }
    const std::string owner =
        table.owner.empty() ? "" : absl::StrCat(" (", table.owner, ")");
    absl::StrAppend(&text, "  ", Plain(table.name), owner,
                    does.empty() ? "" : ": ", absl::StrJoin(does, ", "), "\n");
  }
  return text;
}

std::string NameOtherTables(const std::vector<OtherTable>& tables) {
  std::map<std::string, std::vector<std::string>> by_owner;
  for (const OtherTable& table : tables) {
    by_owner[table.owner].push_back(Plain(table.name));
  }
  std::vector<std::string> names;
  for (const auto& [owner, owned] : by_owner) {
    const std::string list = absl::StrJoin(owned, ", ");
    names.push_back(owner.empty() ? list
                                  : absl::StrCat(owner, " (", list, ")"));
  }
  return absl::StrJoin(names, ", ");
}

}  // namespace sluice::agent
