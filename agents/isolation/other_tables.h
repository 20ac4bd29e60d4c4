// The firewalls that stand beside the fence: whose they are, and what of them
// matters to it. They are read, never changed.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice::agent {

struct OtherTable {
  std::string name;   // "ip nat"
  std::string owner;  // "Docker"; empty: nobody known
  bool filters = false;  // a chain on the hooks where the fence stands
  bool nats = false;
  bool offloads = false;  // a flow table
};

// From `nft -j list` of chains and of flow tables (each may be empty text);
// without the fence's own table. Sorted by name.
absl::StatusOr<std::vector<OtherTable>> ParseOtherTables(
    absl::string_view chains, absl::string_view flow_tables,
    absl::string_view own);

// Asks the kernel. `own`: the fence's table. Needs CAP_NET_ADMIN.
absl::StatusOr<std::vector<OtherTable>> ReadOtherTables(const std::string& own);

// One line a table, each with two spaces before it; empty without any. And what
// the fence cannot promise beside them.
std::string DescribeOtherTables(const std::vector<OtherTable>& tables);

// "Docker (ip filter, ip nat), firewalld (inet firewalld)"
std::string NameOtherTables(const std::vector<OtherTable>& tables);

}  // namespace sluice::agent
