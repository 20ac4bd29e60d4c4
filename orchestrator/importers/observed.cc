#include "orchestrator/importers/observed.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace sluice::importers {
namespace {

// The agent records no UDP to higher ports: those are answers.
constexpr uint16_t kDhcp[] = {67, 68, 546, 547};

bool Contains(const std::vector<Prefix>& ranges, const Prefix& address) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Prefix& range) {
    return range.Contains(address);
  });
}

// Announcements, leases of addresses: never through a fence anyway.
bool StaysOnTheLink(const SeenPeer& peer) {
  static const auto& ranges = *new std::vector<Prefix>{
      *Prefix::Parse("224.0.0.0/4"), *Prefix::Parse("255.255.255.255"),
      *Prefix::Parse("169.254.0.0/16"), *Prefix::Parse("ff00::/8"),
      *Prefix::Parse("fe80::/10")};
  return Contains(ranges, peer.peer) ||
         (peer.protocol == Protocol::kUdp &&
          std::find(std::begin(kDhcp), std::end(kDhcp), peer.port) !=
              std::end(kDhcp));
}

std::string HostOf(const SeenEstate& seen, const Prefix& address) {
  for (const auto& [name, addresses] : seen.hosts) {
    if (Contains(addresses, address)) return name;
  }
  return "";
}

using PortKey = std::pair<Protocol, uint16_t>;

// What listens on each host that spoke.
class Listeners {
 public:
  explicit Listeners(const SeenEstate& seen)
      : heard_(seen.heard.begin(), seen.heard.end()) {
    for (const SeenListener& one : seen.listeners) {
      by_host_[one.host][{one.protocol, one.port}] = &one;
    }
    std::sort(heard_.begin(), heard_.end());
  }

  const SeenListener* Find(const std::string& host, Protocol protocol,
                           uint16_t port) const {
    const auto at = by_host_.find(host);
    if (at == by_host_.end()) return nullptr;
    const auto found = at->second.find({protocol, port});
    return found == at->second.end() ? nullptr : found->second;
  }
  bool Heard(const std::string& host) const {
    return std::binary_search(heard_.begin(), heard_.end(), host);
  }

 private:
  std::vector<std::string> heard_;
  std::map<std::string, std::map<PortKey, const SeenListener*>> by_host_;
};

auto Order(const SeenFlow& flow) {
  return std::tie(flow.client_host, flow.client, flow.server_host, flow.server,
                  flow.protocol, flow.port);
}

}  // namespace

std::string SeenProcess::Text() const {
  std::string text = unit.empty() ? command : unit;
  if (!user.empty()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", "user ", user);
  }
  return text;
}

std::vector<SeenFlow> SeenFlows(const SeenEstate& seen) {
  const Listeners listeners(seen);
  std::vector<SeenFlow> flows;
  for (const SeenPeer& peer : seen.peers) {
    if (!seen.hosts.contains(peer.host) || Contains(seen.apart, peer.peer) ||
        StaysOnTheLink(peer) || peer.times == 0) {
      continue;
    }
    SeenFlow flow;
    const std::string other = HostOf(seen, peer.peer);
    if (other == peer.host) continue;  // with itself
    (peer.outbound ? flow.client_host : flow.server_host) = peer.host;
    (peer.outbound ? flow.server_host : flow.client_host) = other;
    // Of the estate's hosts the name says it all: two addresses, one flow.
    if (other.empty()) {
      (peer.outbound ? flow.server : flow.client) = peer.peer;
    }
    flow.protocol = peer.protocol;
    flow.port = peer.port;
    flow.times = peer.times;
    flow.last = peer.last;
    flow.refused = peer.refused;
    if (peer.outbound) flow.client_process = peer.process;
    // Who came to a quarantined host says it at its own end, if it is ours.
    if (peer.refused && !peer.outbound) continue;
    flow.unanswered =
        !flow.server_host.empty() && listeners.Heard(flow.server_host) &&
        listeners.Find(flow.server_host, flow.protocol, flow.port) == nullptr;
    flows.push_back(std::move(flow));
  }
  std::sort(flows.begin(), flows.end(),
            [](const SeenFlow& a, const SeenFlow& b) {
              return Order(a) < Order(b);
            });
  // Both ends counted the same packets, by each address of theirs.
  std::vector<SeenFlow> merged;
  for (SeenFlow& flow : flows) {
    if (merged.empty() || Order(merged.back()) != Order(flow)) {
      merged.push_back(std::move(flow));
      continue;
    }
    SeenFlow& into = merged.back();
    // What passed counts; that it was tried later says nothing new.
    if (into.refused == flow.refused) {
      into.times = std::max(into.times, flow.times);
    } else if (into.refused) {
      into.times = flow.times;
    }
    into.refused = into.refused && flow.refused;
    into.last = std::max(into.last, flow.last);
    if (into.client_process.Text().empty()) {
      into.client_process = std::move(flow.client_process);
    }
  }
  return merged;
}

std::string HowOften(const SeenFlow& flow) {
  return absl::StrCat(
      flow.times == 1 ? "once" : absl::StrCat(flow.times, " times"),
      flow.last == absl::InfinitePast()
          ? ""
          : absl::FormatTime(", last %Y-%m-%d %H:%M UTC", flow.last,
                             absl::UTCTimeZone()));
}

ObservedDiff DiffObserved(const SeenEstate& seen,
                          const std::vector<DeclaredNeed>& needs,
                          const std::vector<Flow>& always) {
  const auto at_client = [&](const SeenFlow& flow, const Prefix& range) {
    if (flow.client_host.empty()) return range.Contains(flow.client);
    const auto host = seen.hosts.find(flow.client_host);
    return std::any_of(host->second.begin(), host->second.end(),
                       [&](const Prefix& one) { return range.Contains(one); });
  };
  const auto at_server = [&](const SeenFlow& flow, const Prefix& range) {
    if (flow.server_host.empty()) return range.Contains(flow.server);
    const auto host = seen.hosts.find(flow.server_host);
    return std::any_of(host->second.begin(), host->second.end(),
                       [&](const Prefix& one) { return range.Contains(one); });
  };
  const auto is = [&](const Flow& declared, const SeenFlow& flow) {
    return declared.protocol == flow.protocol &&
           declared.ports.first <= flow.port &&
           flow.port <= declared.ports.last &&
           at_client(flow, declared.client) && at_server(flow, declared.server);
  };
  const std::vector<SeenFlow> flows = SeenFlows(seen);
  std::vector<bool> declared(flows.size(), false);
  ObservedDiff diff;
  for (const DeclaredNeed& need : needs) {
    bool used = false;
    for (size_t i = 0; i < flows.size(); ++i) {
      if (std::none_of(need.flows.begin(), need.flows.end(),
                       [&](const Flow& one) { return is(one, flows[i]); })) {
        continue;
      }
      declared[i] = true;
      used = used || !flows[i].refused;
    }
    if (!used) diff.never_seen.push_back(need.name);
  }
  for (size_t i = 0; i < flows.size(); ++i) {
    if (declared[i] || flows[i].unanswered ||
        std::any_of(always.begin(), always.end(),
                    [&](const Flow& one) { return is(one, flows[i]); })) {
      continue;
    }
    diff.undeclared.push_back(flows[i]);
  }
  return diff;
}

}  // namespace sluice::importers
