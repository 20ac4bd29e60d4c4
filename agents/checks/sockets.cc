#include "agents/checks/sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::agent {
namespace {

// 32-bit words in the machine's own byte order.
bool ParseAddress(absl::string_view hex, Prefix& address) {
  uint8_t bytes[16] = {};
  if (hex.size() != 8 && hex.size() != 32) return false;
  for (size_t word = 0; word * 8 < hex.size(); ++word) {
    uint32_t value = 0;
    if (!absl::SimpleHexAtoi(hex.substr(word * 8, 8), &value)) return false;
    std::memcpy(bytes + word * 4, &value, 4);
  }
  bool is4 = hex.size() == 8;
  const uint8_t* start = bytes;
  if (!is4 && IN6_IS_ADDR_V4MAPPED(reinterpret_cast<in6_addr*>(bytes))) {
    is4 = true;
    start = bytes + 12;
  }
  char text[INET6_ADDRSTRLEN];
  inet_ntop(is4 ? AF_INET : AF_INET6, start, text, sizeof text);
  const absl::StatusOr<Prefix> parsed = Prefix::Parse(text);
  if (!parsed.ok()) return false;
  address = *parsed;
  return true;
}

bool ParseEnd(absl::string_view text, Prefix& address, uint16_t& port) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  uint32_t number = 0;
  if (parts.size() != 2 || !absl::SimpleHexAtoi(parts[1], &number) ||
      number > 65535) {
    return false;
  }
  port = static_cast<uint16_t>(number);
  return ParseAddress(parts[0], address);
}

bool IsUnspecified(const Prefix& address) {
  return address.ToString() == "0.0.0.0" || address.ToString() == "::";
}

// What a process says of itself may be anything.
std::string Plain(absl::string_view text) {
  constexpr size_t kMost = 64;
  std::string out(text.substr(0, kMost));
  for (char& c : out) {
    if (!absl::ascii_isprint(c)) c = '?';
  }
  return out;
}

// "0::/system.slice/nginx.service" and the like, of either kind of cgroups.
std::string UnitOf(const std::string& home) {
  std::ifstream file(absl::StrCat(home, "/cgroup"));
  std::string line;
  while (std::getline(file, line)) {
    std::string unit;
    for (const absl::string_view part : absl::StrSplit(line, '/')) {
      if (absl::EndsWith(part, ".service") &&
          !absl::StartsWith(part, "user@")) {
        unit = Plain(part);
      }
    }
    if (!unit.empty()) return unit;
  }
  return "";
}

Process Describe(const std::string& home, const std::string& id) {
  Process process;
  std::ifstream comm(absl::StrCat(home, "/comm"));
  std::string command;
  std::getline(comm, command);
  process.command = Plain(command);
  if (!absl::SimpleAtoi(id, &process.id)) process.id = 0;
  process.unit = UnitOf(home);
  struct stat status = {};
  if (stat(home.c_str(), &status) == 0) {
    process.user = UserName(status.st_uid);
  }
  return process;
}

}  // namespace

std::vector<Socket> ReadSockets(const std::string& proc) {
  std::vector<Socket> sockets;
  for (const absl::string_view table : {"tcp", "tcp6", "udp", "udp6"}) {
    std::ifstream file(absl::StrCat(proc, "/net/", table));
    std::string line;
    std::getline(file, line);  // the heading
    while (std::getline(file, line)) {
      const std::vector<absl::string_view> words =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      Socket socket;
      if (words.size() < 10 ||
          !ParseEnd(words[1], socket.local, socket.local_port) ||
          !ParseEnd(words[2], socket.remote, socket.remote_port)) {
        continue;
      }
      socket.protocol = table[0] == 't' ? Protocol::kTcp : Protocol::kUdp;
      socket.established = words[3] == "01";
      socket.listening = table[0] == 't' ? words[3] == "0A"
                                         : words[3] == "07" &&
                                               socket.remote_port == 0;
      socket.inode = std::string(words[9]);
      sockets.push_back(std::move(socket));
    }
  }
  return sockets;
}

bool IsLoopback(const Prefix& address) {
  static const auto& v4 = *new Prefix(*Prefix::Parse("127.0.0.0/8"));
  static const auto& v6 = *new Prefix(*Prefix::Parse("::1"));
  return v4.Contains(address) || v6.Contains(address);
}

std::map<std::string, Process> SocketOwners(
    const std::string& proc, const std::set<std::string>& inodes) {
  std::map<std::string, Process> owners;
  DIR* processes = opendir(proc.c_str());
  if (processes == nullptr) return owners;
  while (const dirent* process = readdir(processes)) {
    if (owners.size() == inodes.size()) break;
    if (process->d_name[0] < '1' || process->d_name[0] > '9') continue;
    const std::string home = absl::StrCat(proc, "/", process->d_name);
    DIR* descriptors = opendir(absl::StrCat(home, "/fd").c_str());
    if (descriptors == nullptr) continue;
    while (const dirent* descriptor = readdir(descriptors)) {
      char target[64];
      const ssize_t size =
          readlink(absl::StrCat(home, "/fd/", descriptor->d_name).c_str(),
                   target, sizeof target);
      absl::string_view link(target, size > 0 ? static_cast<size_t>(size) : 0);
      if (link.substr(0, 8) != "socket:[" || link.back() != ']') continue;
      const std::string inode(link.substr(8, link.size() - 9));
      if (!inodes.contains(inode) || owners.contains(inode)) continue;
      owners[inode] = Describe(home, process->d_name);
    }
    closedir(descriptors);
  }
  closedir(processes);
  return owners;
}

Process SenderOf(const std::string& proc, Protocol protocol,
                 const Prefix& local, uint16_t local_port) {
  for (const Socket& socket : ReadSockets(proc)) {
    // One that is bound to no address sends from any.
    if (socket.protocol != protocol || socket.local_port != local_port ||
        socket.listening != (protocol == Protocol::kUdp &&
                             socket.remote_port == 0) ||
        (socket.local != local && !IsUnspecified(socket.local))) {
      continue;
    }
    const auto owners = SocketOwners(proc, {socket.inode});
    if (!owners.empty()) return owners.begin()->second;
  }
  return {};
}

std::string UserName(uid_t user) {
  passwd entry = {};
  passwd* found = nullptr;
  std::vector<char> buffer(16 << 10);
  if (getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    return Plain(entry.pw_name);
  }
  return absl::StrCat(user);
}

std::map<std::string, std::string> SocketHolders(
    const std::string& proc, const std::set<std::string>& inodes) {
  std::map<std::string, std::string> names;
  for (const auto& [inode, process] : SocketOwners(proc, inodes)) {
    names[inode] = absl::StrCat(process.command, ", process ", process.id);
  }
  return names;
}

}  // namespace sluice::agent
