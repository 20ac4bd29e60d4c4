// The sockets of this host's network namespace, as /proc/net tells them.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "agents/core/observed.h"
#include "common/flow.h"
#include "common/prefix.h"

namespace sluice::agent {

struct Socket {
  Protocol protocol = Protocol::kTcp;
  Prefix local;  // IPv4 inside IPv6 is IPv4
  uint16_t local_port = 0;
  Prefix remote;
  uint16_t remote_port = 0;
  bool established = false;  // of UDP: connected to one peer
  bool listening = false;    // of UDP: bound, and to no peer
  std::string inode;
};

// Tables that are missing have no sockets in them.
std::vector<Socket> ReadSockets(const std::string& proc);

bool IsLoopback(const Prefix& address);

// By inode; of a socket that several hold, the first of them.
std::map<std::string, Process> SocketOwners(
    const std::string& proc, const std::set<std::string>& inodes);

// Whose the socket is that sends from this end; it may be gone already.
Process SenderOf(const std::string& proc, Protocol protocol,
                 const Prefix& local, uint16_t local_port);

// "www-data", or the number.
std::string UserName(uid_t user);

// By inode: "sshd, process 812", as far as this may be seen.
std::map<std::string, std::string> SocketHolders(
    const std::string& proc, const std::set<std::string>& inodes);

}  // namespace sluice::agent
