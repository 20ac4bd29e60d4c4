// Packets that our rules log, as they happen: who sent them, as the kernel
// knows it, and what they begin with.
//
// The rules decide which packets those are and how many at most; nothing here
// lets one pass or stops one, and without a reader the kernel drops the log.
// Owns one thread and one socket.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/flow.h"
#include "common/prefix.h"

namespace sluice::agent {

// Of nflog; in the namespace it is started in.
inline constexpr uint16_t kLogGroup = 7443;
// What a rule says of its packets.
inline constexpr char kLogRefused[] = "sluice:refused";  // outbound, quarantine
inline constexpr char kLogName[] = "sluice:name";        // the same, to port 53
inline constexpr char kLogSeenOut[] = "sluice:out";      // passed
inline constexpr char kLogSeenIn[] = "sluice:in";

struct LoggedPacket {
  std::string what;  // one of the above
  Protocol protocol = Protocol::kTcp;
  Prefix source;
  uint16_t source_port = 0;
  Prefix destination;
  uint16_t destination_port = 0;
  std::optional<uid_t> user;  // of the socket that sent it
  std::string payload;        // of UDP; cut
};

// Reads an IP packet; false when it is neither TCP nor UDP, or cut too short.
bool ParsePacket(absl::string_view bytes, LoggedPacket* packet);

// The name that a DNS query asks for, in lower case, what is not printable as
// '?': "update.example". Empty when it is no query.
std::string QuestionOf(absl::string_view payload);

class PacketLog {
 public:
  // `seen` is called from a thread of this object's own. Needs CAP_NET_ADMIN.
  static absl::StatusOr<std::unique_ptr<PacketLog>> Start(
      uint16_t group, std::function<void(const LoggedPacket&)> seen);

  ~PacketLog();
  PacketLog(const PacketLog&) = delete;
  PacketLog& operator=(const PacketLog&) = delete;

 private:
  PacketLog(std::function<void(const LoggedPacket&)> seen, int socket,
            int stop);
  void Run();

  const std::function<void(const LoggedPacket&)> seen_;
  const int socket_;
  const int stop_;  // eventfd
  std::thread thread_;
};

}  // namespace sluice::agent
