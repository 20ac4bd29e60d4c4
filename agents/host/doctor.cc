#include "agents/host/doctor.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agents/checks/sockets.h"
#include "agents/core/state.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxOthers = 20;

enum class Kind : uint8_t { kStorage, kCluster, kLogin, kOther };

struct Service {
  uint16_t first;
  uint16_t last;
  Kind kind;
  const char* name;
};

constexpr Service kServices[] = {
    {2049, 2049, Kind::kStorage, "NFS"},
    {111, 111, Kind::kStorage, "RPC (NFS)"},
    {139, 139, Kind::kStorage, "SMB"},
    {445, 445, Kind::kStorage, "SMB"},
    {860, 860, Kind::kStorage, "iSCSI"},
    {3260, 3260, Kind::kStorage, "iSCSI"},
    {10809, 10809, Kind::kStorage, "network block device"},
    {4420, 4420, Kind::kStorage, "NVMe over TCP"},
    {3300, 3300, Kind::kStorage, "Ceph"},
    {6789, 6789, Kind::kStorage, "Ceph"},
    {6800, 7300, Kind::kStorage, "Ceph"},
    {24007, 24008, Kind::kStorage, "GlusterFS"},
    {7788, 7799, Kind::kStorage, "DRBD"},
    {4567, 4568, Kind::kCluster, "Galera"},
    {33061, 33061, Kind::kCluster, "MySQL group replication"},
    {2379, 2380, Kind::kCluster, "etcd"},
    {2377, 2377, Kind::kCluster, "Docker swarm"},
    {7946, 7946, Kind::kCluster, "Docker swarm"},
    {6443, 6443, Kind::kCluster, "Kubernetes"},
    {10250, 10250, Kind::kCluster, "Kubernetes"},
    {2888, 2888, Kind::kCluster, "ZooKeeper"},
    {3888, 3888, Kind::kCluster, "ZooKeeper"},
    {3121, 3121, Kind::kCluster, "Pacemaker"},
    {4369, 4369, Kind::kCluster, "Erlang (RabbitMQ)"},
    {25672, 25672, Kind::kCluster, "RabbitMQ"},
    {5404, 5412, Kind::kCluster, "Corosync"},
    {8300, 8302, Kind::kCluster, "Consul"},
    {9300, 9300, Kind::kCluster, "Elasticsearch"},
    {16379, 16379, Kind::kCluster, "Redis cluster"},
    {26379, 26379, Kind::kCluster, "Redis sentinel"},
    {4789, 4789, Kind::kCluster, "VXLAN"},
    {8472, 8472, Kind::kCluster, "VXLAN"},
    {51820, 51820, Kind::kCluster, "WireGuard"},
    {22, 22, Kind::kLogin, "SSH"},
    {23, 23, Kind::kLogin, "Telnet"},
    {3389, 3389, Kind::kLogin, "remote desktop"},
    {5900, 5910, Kind::kLogin, "VNC"},
};

// What the process tells and the port does not: a database's own server is a
// client only of its peers, and says in its title what it streams.
struct Holder {
  const char* command;
  const char* title;  // a word of it; empty: any
  bool client;        // only at the client's end
  Kind kind;
  const char* name;
};

constexpr Holder kHolders[] = {
    {"postgres", "walreceiver", false, Kind::kCluster,
     "PostgreSQL replication"},
    {"postgres", "walsender", false, Kind::kCluster, "PostgreSQL replication"},
    {"mysqld", "", true, Kind::kCluster, "MySQL replication"},
    {"mariadbd", "", true, Kind::kCluster, "MariaDB replication"},
    {"redis-server", "", true, Kind::kCluster, "Redis replication"},
    {"mongod", "", true, Kind::kCluster, "MongoDB replication"},
    {"corosync", "", false, Kind::kCluster, "Corosync"},
    {"etcd", "", false, Kind::kCluster, "etcd"},
    {"sshd", "", false, Kind::kLogin, "SSH"},
};

// Protocols of their own, that no flow can name.
struct RawProtocol {
  uint16_t number;
  const char* text;
};

constexpr RawProtocol kRawProtocols[] = {
    {112, "VRRP (keepalived): its peers take over its addresses"},
    {89, "OSPF: its routes go away"},
    {88, "EIGRP: its routes go away"},
    {132, "SCTP"},
    {47, "GRE: what its tunnels carry is cut"},
};

const Service* FindService(uint16_t port) {
  for (const Service& service : kServices) {
    if (service.first <= port && port <= service.last) return &service;
  }
  return nullptr;
}

// One flow that is live now.
struct Live {
  Kind kind = Kind::kOther;
  std::string name;  // of the service, for people
  Flow flow;
  bool serves = false;  // this host is the server
  std::set<std::string> holders;
};

bool Covers(const std::vector<Flow>& flows, const Flow& flow) {
  return std::any_of(flows.begin(), flows.end(), [&](const Flow& kept) {
    return kept.protocol == flow.protocol &&
           kept.client.Contains(flow.client) &&
           kept.server.Contains(flow.server) &&
           kept.ports.first <= flow.ports.first &&
           flow.ports.last <= kept.ports.last;
  });
}

// Who is the server: who listens on its end of it, or else who has the port
// that a known service has, or else the lower port.
Live Judge(const Socket& socket, const std::set<uint16_t>& listening) {
  const Service* near = FindService(socket.local_port);
  const Service* far = FindService(socket.remote_port);
  bool serves = listening.contains(socket.local_port);
  if (!serves && near != nullptr && far == nullptr) serves = true;
  Live live;
  live.serves = serves;
  live.flow.protocol = socket.protocol;
  live.flow.client = serves ? socket.remote : socket.local;
  live.flow.server = serves ? socket.local : socket.remote;
  const uint16_t port = serves ? socket.local_port : socket.remote_port;
  live.flow.ports = {port, port};
  if (const Service* service = FindService(port); service != nullptr) {
    live.kind = service->kind;
    live.name = service->name;
  }
  return live;
}

// A process's title, from "postgres, process 812".
std::string TitleOf(const std::string& proc, const std::string& holder) {
  constexpr size_t kLongest = 200;
  const std::string number = holder.substr(holder.rfind(' ') + 1);
  std::ifstream file(absl::StrCat(proc, "/", number, "/cmdline"));
  std::string title(kLongest, ' ');
  file.read(title.data(), kLongest);
  title.resize(static_cast<size_t>(file.gcount()));
  std::replace(title.begin(), title.end(), '\0', ' ');
  return title;
}

void JudgeByHolder(const std::string& proc, const std::string& holder,
                   Live& live) {
  for (const Holder& known : kHolders) {
    if (!absl::StartsWith(holder, absl::StrCat(known.command, ",")) ||
        (known.client && live.serves) ||
        !absl::StrContains(TitleOf(proc, holder), known.title)) {
      continue;
    }
    live.kind = known.kind;
    live.name = known.name;
    return;
  }
}

struct Mount {
  std::string kind;
  std::string place;
  std::string source;
};

std::vector<Mount> NetworkMounts(const std::string& proc) {
  static const auto& kinds = *new std::set<std::string>{
      "nfs",    "nfs4",           "cifs", "smb3",       "ceph", "9p",
      "lustre", "fuse.glusterfs", "afs",  "fuse.sshfs", "gfs2", "ocfs2"};
  std::vector<Mount> mounts;
  std::ifstream file(absl::StrCat(proc, "/mounts"));
  std::string line;
  while (std::getline(file, line)) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() > 2 && kinds.contains(words[2])) {
      mounts.push_back({words[2], words[1], words[0]});
    }
  }
  return mounts;
}

// "  VRRP …" of each protocol that a socket here listens to.
std::string RawProtocols(const std::string& proc) {
  std::set<uint32_t> numbers;
  for (const char* table : {"raw", "raw6"}) {
    std::ifstream file(absl::StrCat(proc, "/net/", table));
    std::string line;
    std::getline(file, line);  // the heading
    while (std::getline(file, line)) {
      const std::vector<std::string> words =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      uint32_t number = 0;
      // "00000000:0070": where a port would be stands the protocol.
      if (words.size() > 1 &&
          absl::SimpleHexAtoi(words[1].substr(words[1].find(':') + 1),
                              &number)) {
        numbers.insert(number);
      }
    }
  }
  std::string text;
  for (const RawProtocol& known : kRawProtocols) {
    if (!numbers.contains(known.number)) continue;
    absl::StrAppend(&text, "  ", known.text, ".\n    It is IP protocol ",
                    known.number, ", which no flow can keep.\n");
  }
  return text;
}

// The old iptables keeps its rules where nftables does not show them.
std::string LegacyTables(const std::string& proc) {
  std::string text;
  for (const char* tool : {"ip", "ip6"}) {
    std::ifstream file(absl::StrCat(proc, "/net/", tool, "_tables_names"));
    std::string name;
    while (std::getline(file, name)) {
      absl::StrAppend(&text, "  ", tool, " ", OneLine(name, 40),
                      " (iptables-legacy)\n");
    }
  }
  return text;
}

bool Exists(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// From /sys/class/net: bridges by what they join, and interfaces that share
// another one's wire.
std::string Guests(const std::string& links,
                   const std::vector<std::string>& interior) {
  std::map<std::string, std::vector<std::string>> inside;  // a bridge's ports
  std::map<std::string, std::vector<std::string>> outside;
  std::string text;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(links, error)) {
    const std::string name = OneLine(entry.path().filename().string(), 15);
    if (Exists(entry.path() / "bridge")) inside.try_emplace(name);
    if (Exists(entry.path() / "brport")) {
      const std::string bridge =
          std::filesystem::read_symlink(entry.path() / "master", error)
              .filename()
              .string();
      (Exists(entry.path() / "device") ? outside : inside)[OneLine(bridge, 15)]
          .push_back(name);
    }
    std::ifstream file(entry.path() / "uevent");
    std::string line;
    while (std::getline(file, line)) {
      if (line == "DEVTYPE=macvlan" || line == "DEVTYPE=ipvlan" ||
          line == "DEVTYPE=macvtap") {
        absl::StrAppend(&text, "  ", name, " (", line.substr(8),
                        ") shares a wire: its guest is not fenced here.\n");
      }
    }
  }
  for (auto& [bridge, ports] : inside) {
    std::sort(ports.begin(), ports.end());
    if (!outside[bridge].empty()) {
      if (ports.empty()) continue;
      absl::StrAppend(&text, "  ", bridge, " joins ", outside[bridge][0],
                      " with ", ports[0], ports.size() > 1 ? ", …" : "",
                      ": those guests send past this fence.\n",
                      "    Each needs an agent of its own.\n");
    } else if (std::find(interior.begin(), interior.end(), bridge) ==
               interior.end()) {
      absl::StrAppend(&text, "  ", bridge, " has ", ports.size(),
                      ports.size() == 1 ? " guest" : " guests",
                      ", which would be cut from this host and each other.\n",
                      "    For agent.yaml: interior: [", bridge, "]\n");
    }
  }
  return text;
}

std::string Lines(const std::vector<Live>& all, Kind kind, size_t limit) {
  std::string text;
  size_t count = 0;
  for (const Live& live : all) {
    if (live.kind != kind) continue;
    if (++count > limit) continue;
    absl::StrAppend(&text, "  ", live.flow.Line());
    std::string who = live.name;
    for (const std::string& holder : live.holders) {
      absl::StrAppend(&who, who.empty() ? "" : ", ", holder);
      break;  // the first says enough
    }
    absl::StrAppend(&text, who.empty() ? "" : "\n    ", who, "\n");
  }
  if (count > limit) {
    absl::StrAppend(&text, "  and ", count - limit, " more\n");
  }
  return text;
}

void Section(std::string& page, absl::string_view head,
             const std::string& lines) {
  if (!lines.empty()) absl::StrAppend(&page, "\n", head, "\n", lines);
}

}  // namespace

std::string Doctor(const AgentConfig& config, const HostView& host) {
  const std::string& proc = host.proc;
  const std::vector<Socket> sockets = ReadSockets(proc);
  std::set<uint16_t> listening;
  std::string silent;
  std::string dhcp;
  for (const Socket& socket : sockets) {
    if (socket.established || socket.remote_port != 0) continue;
    if (socket.protocol == Protocol::kTcp) {
      listening.insert(socket.local_port);
    } else if (socket.local_port == 68 || socket.local_port == 546) {
      dhcp = absl::StrCat(
          "  UDP port ", socket.local_port, " waits for its server. Keep `udp ",
          "HOST SERVER ", socket.local_port == 68 ? 67 : 547,
          "` vital, or fix\n  the addresses before the lease runs out.\n");
    } else if (const Service* service = FindService(socket.local_port);
               service != nullptr && service->kind == Kind::kCluster &&
               !absl::StrContains(silent, service->name)) {
      absl::StrAppend(&silent, "  ", service->name, " waits on UDP port ",
                      socket.local_port,
                      "; its peers cannot be seen from here.\n",
                      "  Add a vital flow to and from each of them.\n");
    }
  }
  absl::StrAppend(&silent, RawProtocols(proc));
  std::map<Flow, Live> flows;
  std::map<std::string, Flow> by_inode;
  std::set<std::string> inodes;
  size_t kept = 0;
  for (const Socket& socket : sockets) {
    if (!socket.established || IsLoopback(socket.local) ||
        socket.local == socket.remote) {
      continue;
    }
    Live live = Judge(socket, listening);
    if (Covers(config.management, live.flow) ||
        Covers(config.vital, live.flow)) {
      ++kept;
      continue;
    }
    by_inode.emplace(socket.inode, live.flow);
    inodes.insert(socket.inode);
    flows.emplace(live.flow, std::move(live));
  }
  for (const auto& [inode, holder] : SocketHolders(proc, inodes)) {
    Live& live = flows.at(by_inode.at(inode));
    live.holders.insert(OneLine(holder, 60));
    JudgeByHolder(proc, holder, live);
  }
  std::vector<Live> all;
  for (auto& [flow, live] : flows) all.push_back(std::move(live));

  std::string page =
      absl::StrCat("What quarantine would cut on ", config.host.str(),
                   ", of what is connected now.\nKept by agent.yaml: ", kept,
                   kept == 1 ? " connection.\n" : " connections.\n");
  std::string mounts;
  for (const Mount& mount : NetworkMounts(proc)) {
    absl::StrAppend(&mounts, "  ", OneLine(mount.place, 60), "  ", mount.kind,
                    " from ", OneLine(mount.source, 60), "\n");
  }
  Section(page,
          "Network file systems (what writes to them hangs when cut):", mounts);
  Section(page, "Storage:", Lines(all, Kind::kStorage, kMaxOthers));
  Section(page, "Cluster peers:",
          absl::StrCat(Lines(all, Kind::kCluster, kMaxOthers), silent));
  Section(page, "Remote logins (they end; is there a console?):",
          Lines(all, Kind::kLogin, kMaxOthers));
  Section(page, "Others:", Lines(all, Kind::kOther, kMaxOthers));
  Section(page, "Addresses by DHCP (without renewal they go away):", dhcp);
  if (all.empty() && mounts.empty() && silent.empty() && dhcp.empty()) {
    absl::StrAppend(&page, "\nNothing else is connected.\n");
  }
  Section(page, "Guests (containers, virtual machines):",
          Guests(host.links, config.interior));
  Section(page, "Other firewalls beside the fence (it leaves them alone):",
          absl::StrCat(DescribeOtherTables(host.tables), LegacyTables(proc)));
  std::string vital;
  for (const Live& live : all) {
    if (live.kind != Kind::kStorage && live.kind != Kind::kCluster) continue;
    absl::StrAppend(&vital, "  - ", live.flow.Line(), "  # ", live.name, "\n");
  }
  if (!vital.empty()) {
    absl::StrAppend(
        &page,
        "\nCutting these can destroy data. For agent.yaml, after a look at "
        "each,\nand for `vital` in the manifest, so that both ends keep "
        "them:\n\nvital:\n",
        vital);
  }
  return page;
}

}  // namespace sluice::agent
