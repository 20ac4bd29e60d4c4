#include "agents/host/doctor.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/match.h"
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
    {445, 445, Kind::kStorage, "SMB"},
    {3260, 3260, Kind::kStorage, "iSCSI"},
    {4420, 4420, Kind::kStorage, "NVMe over TCP"},
    {3300, 3300, Kind::kStorage, "Ceph"},
    {6789, 6789, Kind::kStorage, "Ceph"},
    {6800, 7300, Kind::kStorage, "Ceph"},
    {24007, 24008, Kind::kStorage, "GlusterFS"},
    {7788, 7799, Kind::kStorage, "DRBD"},
    {4567, 4568, Kind::kCluster, "Galera"},
    {2379, 2380, Kind::kCluster, "etcd"},
    {5404, 5405, Kind::kCluster, "Corosync"},
    {8300, 8302, Kind::kCluster, "Consul"},
    {9300, 9300, Kind::kCluster, "Elasticsearch"},
    {22, 22, Kind::kLogin, "SSH"},
    {3389, 3389, Kind::kLogin, "remote desktop"},
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

std::string Doctor(const AgentConfig& config, const std::string& proc) {
  const std::vector<Socket> sockets = ReadSockets(proc);
  std::set<uint16_t> listening;
  std::string corosync;
  for (const Socket& socket : sockets) {
    if (socket.established || socket.remote_port != 0) continue;
    if (socket.protocol == Protocol::kTcp) {
      listening.insert(socket.local_port);
    } else if (const Service* service = FindService(socket.local_port);
               service != nullptr && service->kind == Kind::kCluster) {
      corosync = absl::StrCat("  ", service->name, " waits on UDP port ",
                              socket.local_port,
                              "; its peers cannot be seen from here.\n",
                              "  Add a vital flow to and from each of them.\n");
    }
  }
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
    flows.at(by_inode.at(inode)).holders.insert(OneLine(holder, 60));
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
          absl::StrCat(Lines(all, Kind::kCluster, kMaxOthers), corosync));
  Section(page, "Remote logins (they end; is there a console?):",
          Lines(all, Kind::kLogin, kMaxOthers));
  Section(page, "Others:", Lines(all, Kind::kOther, kMaxOthers));
  if (all.empty() && mounts.empty() && corosync.empty()) {
    return absl::StrCat(page, "\nNothing else is connected.\n");
  }
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
