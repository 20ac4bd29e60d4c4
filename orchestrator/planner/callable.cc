#include "orchestrator/planner/callable.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/contract.h"

namespace sluice::planning {
namespace {

// REQUIRES: the range is not the whole family.
Prefix Parent(const Prefix& range) {
  const int length = range.length() - 1;
  std::array<uint8_t, 16> bytes = range.bytes();
  bytes[static_cast<size_t>(length / 8)] &=
      static_cast<uint8_t>(~(0x80 >> (length % 8)));
  char text[INET6_ADDRSTRLEN];
  SLUICE_CHECK(inet_ntop(range.family() == Family::kIpv4 ? AF_INET : AF_INET6,
                         bytes.data(), text, sizeof text) != nullptr);
  return Prefix::Parse(absl::StrCat(text, "/", length)).value();
}

}  // namespace

std::vector<Prefix> JoinRanges(std::vector<Prefix> ranges) {
  std::vector<Prefix> joined;
  std::map<int, std::set<Prefix>> by_length;
  for (const Prefix& range : ranges) by_length[range.length()].insert(range);
  for (int length = 128; length > 0; --length) {
    const auto at = by_length.find(length);
    if (at == by_length.end()) continue;
    std::map<Prefix, std::vector<Prefix>> halves;
    for (const Prefix& range : at->second) {
      halves[Parent(range)].push_back(range);
    }
    for (const auto& [parent, parts] : halves) {
      if (parts.size() == 2) {
        by_length[length - 1].insert(parent);
      } else {
        joined.insert(joined.end(), parts.begin(), parts.end());
      }
    }
  }
  if (const auto all = by_length.find(0); all != by_length.end()) {
    joined.insert(joined.end(), all->second.begin(), all->second.end());
  }
  std::sort(joined.begin(), joined.end());
  return joined;
}

Callable::Callable(const Model& model,
                   const std::vector<PlannedGrant>& grants) {
  for (const PlannedGrant& grant : grants) {
    for (const HostFlow& flow : grant.flows) {
      if (flow.client.empty()) continue;
      declared_[flow.client].insert(absl::StrCat(
          flow.flow.ports.ToString(), "/", ProtocolName(flow.flow.protocol),
          "@", flow.flow.server.ToString()));
    }
  }
  std::vector<Prefix> addresses;
  for (const Host& host : model.hosts) {
    addresses.insert(addresses.end(), host.addresses.begin(),
                     host.addresses.end());
  }
  const std::vector<Prefix> joined = JoinRanges(std::move(addresses));
  if (joined.size() > kMaxRanges) return;
  estate_ = absl::StrJoin(joined, ",", [](std::string* out, const Prefix& one) {
    absl::StrAppend(out, one.ToString());
  });
}

std::string Callable::Declared(const std::vector<HostId>& hosts) const {
  std::set<std::string> all;
  for (const HostId& host : hosts) {
    const auto at = declared_.find(host);
    if (at != declared_.end()) all.insert(at->second.begin(), at->second.end());
  }
  return absl::StrJoin(all, ",");
}

}  // namespace sluice::planning
