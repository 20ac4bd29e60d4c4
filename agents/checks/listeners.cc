// listeners: declared-only. What listens on this host, in its own network
// namespace, against the ports that the manifest declares for it.

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agents/checks/check.h"
#include "agents/checks/sockets.h"
#include "common/flow.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxNamed = 5;

struct Listener {
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 0;
  std::string inode;

  friend bool operator<(const Listener& a, const Listener& b) {
    return std::tie(a.protocol, a.port) < std::tie(b.protocol, b.port);
  }
};

struct Declared {
  Protocol protocol;
  PortRange ports;
};

// "389/tcp,49152-65535/tcp,53/udp".
bool ParsePorts(absl::string_view text, std::vector<Declared>& ports) {
  for (const absl::string_view word :
       absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(word, '/');
    if (parts.size() != 2) return false;
    const std::vector<absl::string_view> ends = absl::StrSplit(parts[0], '-');
    int first = 0;
    int last = 0;
    if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last) || first < 1 || last > 65535 ||
        first > last || (parts[1] != "tcp" && parts[1] != "udp")) {
      return false;
    }
    ports.push_back(
        {parts[1] == "tcp" ? Protocol::kTcp : Protocol::kUdp,
         {static_cast<uint16_t>(first), static_cast<uint16_t>(last)}});
  }
  return true;
}

// Addresses in /proc/net are 32-bit words in the machine's own byte order.
bool IsLoopbackHex(absl::string_view hex) {
  uint8_t bytes[16] = {};
  for (size_t word = 0; word * 8 < hex.size() && word < 4; ++word) {
    uint32_t value = 0;
    if (!absl::SimpleHexAtoi(hex.substr(word * 8, 8), &value)) return false;
    std::memcpy(bytes + word * 4, &value, 4);
  }
  if (hex.size() == 8) return bytes[0] == 127;
  if (IN6_IS_ADDR_LOOPBACK(reinterpret_cast<in6_addr*>(bytes))) return true;
  return IN6_IS_ADDR_V4MAPPED(reinterpret_cast<in6_addr*>(bytes)) &&
         bytes[12] == 127;
}

// The ports that client sockets take by themselves.
PortRange EphemeralPorts(const CheckContext& context) {
  PortRange range{32768, 60999};
  std::ifstream file(
      absl::StrCat(context.proc, "/sys/net/ipv4/ip_local_port_range"));
  file >> range.first >> range.last;
  return range;
}

// Reads one table of /proc/net; false when it cannot be read.
bool ReadTable(const CheckContext& context, const char* table,
               PortRange ephemeral, std::set<Listener>& listeners) {
  std::ifstream file(absl::StrCat(context.proc, "/net/", table));
  if (!file.is_open()) return false;
  const bool tcp = absl::string_view(table).substr(0, 3) == "tcp";
  std::string line;
  std::getline(file, line);  // the heading
  while (std::getline(file, line)) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() < 10) continue;
    const std::vector<absl::string_view> local = absl::StrSplit(words[1], ':');
    const std::vector<absl::string_view> remote = absl::StrSplit(words[2], ':');
    uint32_t port = 0;
    if (local.size() != 2 || remote.size() != 2 ||
        !absl::SimpleHexAtoi(local[1], &port) || port == 0) {
      continue;
    }
    // tcp: LISTEN. udp: bound and not connected to one peer; on a port that
    // clients are given, it is a client waiting for its answer.
    if (tcp ? words[3] != "0A"
            : words[3] != "07" || remote[1] != "0000" ||
                  (port >= ephemeral.first && port <= ephemeral.last)) {
      continue;
    }
    if (IsLoopbackHex(local[0])) continue;
    listeners.insert({tcp ? Protocol::kTcp : Protocol::kUdp,
                      static_cast<uint16_t>(port), std::string(words[9])});
  }
  return true;
}

}  // namespace

CheckResult CheckListeners(const CheckSpec& spec, const CheckContext& context,
                           const Stop&) {
  if (Arg(spec, "allow") != "declared-only") {
    return Inconclusive("listeners: only 'declared-only' is known");
  }
  std::vector<Declared> declared;
  if (!ParsePorts(Arg(spec, "ports"), declared)) {
    return Inconclusive("listeners: 'ports' is not a list of ports");
  }
  std::set<Listener> listeners;
  const PortRange ephemeral = EphemeralPorts(context);
  for (const char* table : {"tcp", "tcp6", "udp", "udp6"}) {
    const bool read = ReadTable(context, table, ephemeral, listeners);
    // A kernel without IPv6 has no such tables.
    if (!read && absl::string_view(table).back() != '6') {
      return Inconclusive(
          absl::StrCat(context.proc, "/net/", table, " cannot be read"));
    }
  }
  std::vector<Listener> undeclared;
  std::set<std::string> inodes;
  for (const Listener& listener : listeners) {
    const bool known =
        std::any_of(declared.begin(), declared.end(), [&](const Declared& one) {
          return one.protocol == listener.protocol &&
                 one.ports.first <= listener.port &&
                 listener.port <= one.ports.last;
        });
    if (known) continue;
    undeclared.push_back(listener);
    inodes.insert(listener.inode);
  }
  if (undeclared.empty()) {
    return Pass(absl::StrCat("no sign found: ", listeners.size(),
                             " ports listen, all declared"));
  }
  const auto holders = SocketHolders(context.proc, inodes);
  std::vector<std::string> named;
  for (const Listener& listener : undeclared) {
    if (named.size() == kMaxNamed) {
      named.push_back(absl::StrCat(undeclared.size() - kMaxNamed, " more"));
      break;
    }
    const auto holder = holders.find(listener.inode);
    named.push_back(absl::StrCat(
        ProtocolName(listener.protocol), " ", listener.port,
        holder == holders.end() ? ""
                                : absl::StrCat(" (", holder->second, ")")));
  }
  return Fail(absl::StrCat("undeclared: ", absl::StrJoin(named, ", ")));
}

}  // namespace sluice::agent
