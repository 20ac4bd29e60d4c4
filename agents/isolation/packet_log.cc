#include "agents/isolation/packet_log.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/contract.h"

namespace sluice::agent {
namespace {

constexpr size_t kBufferSize = 64 << 10;
constexpr uint32_t kCopy = 512;  // bytes of a packet
constexpr size_t kMaxQuestion = 253;

uint8_t Byte(absl::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]);
}
uint16_t Word(absl::string_view bytes, size_t at) {
  return static_cast<uint16_t>(Byte(bytes, at) << 8 | Byte(bytes, at + 1));
}

bool ToAddress(int family, absl::string_view bytes, Prefix* address) {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family, bytes.data(), text, sizeof text);
  absl::StatusOr<Prefix> parsed = Prefix::Parse(text);
  if (parsed.ok()) *address = *std::move(parsed);
  return parsed.ok();
}

struct Raw {
  std::string what;
  absl::string_view packet;
  std::optional<uid_t> user;
};

int ReadAttribute(const nlattr* attribute, void* user) {
  auto* raw = static_cast<Raw*>(user);
  switch (mnl_attr_get_type(attribute)) {
    case NFULA_PREFIX:
      if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
        raw->what = mnl_attr_get_str(attribute);
      }
      break;
    case NFULA_PAYLOAD:
      raw->packet = absl::string_view(
          static_cast<const char*>(mnl_attr_get_payload(attribute)),
          mnl_attr_get_payload_len(attribute));
      break;
    case NFULA_UID:
      if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0) {
        raw->user = ntohl(mnl_attr_get_u32(attribute));
      }
      break;
    default:
      break;
  }
  return MNL_CB_OK;
}

void Take(const nlmsghdr* message,
          const std::function<void(const LoggedPacket&)>& seen) {
  if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_ULOG ||
      NFNL_MSG_TYPE(message->nlmsg_type) != NFULNL_MSG_PACKET ||
      message->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(nfgenmsg)) {
    return;
  }
  Raw raw;
  mnl_attr_parse(message, sizeof(nfgenmsg), ReadAttribute, &raw);
  LoggedPacket packet;
  if (!ParsePacket(raw.packet, &packet)) return;
  packet.what = std::move(raw.what);
  packet.user = raw.user;
  seen(packet);
}

absl::Status Errno(absl::string_view what) {
  return absl::UnavailableError(
      absl::StrCat("who sends what the fence refuses is not looked up: ", what,
                   ": ", std::strerror(errno),
                   errno == EBUSY ? "; another program reads this log" : ""));
}

// The answer to one configuring message.
absl::Status Configure(int fd, uint16_t group,
                       const std::function<void(nlmsghdr*)>& fill) {
  char buffer[512] = {};
  nlmsghdr* header = mnl_nlmsg_put_header(buffer);
  header->nlmsg_type = (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  auto* head = static_cast<nfgenmsg*>(
      mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  head->nfgen_family = AF_UNSPEC;
  head->version = NFNETLINK_V0;
  head->res_id = htons(group);
  fill(header);
  if (send(fd, header, header->nlmsg_len, 0) < 0) return Errno("not asked");
  // Packets may come before the answer does.
  std::vector<char> answer(kBufferSize);
  while (true) {
    const ssize_t got = recv(fd, answer.data(), answer.size(), 0);
    if (got < 0) return Errno("no answer");
    const auto* reply = reinterpret_cast<const nlmsghdr*>(answer.data());
    int left = static_cast<int>(got);
    for (; mnl_nlmsg_ok(reply, left); reply = mnl_nlmsg_next(reply, &left)) {
      if (reply->nlmsg_type != NLMSG_ERROR) continue;
      const auto* error =
          static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(reply));
      errno = -error->error;
      return errno == 0 ? absl::OkStatus() : Errno("not let in");
    }
  }
}

}  // namespace

bool ParsePacket(absl::string_view bytes, LoggedPacket* packet) {
  if (bytes.empty()) return false;
  size_t at = 0;
  int protocol = 0;
  if (Byte(bytes, 0) >> 4 == 4) {
    at = static_cast<size_t>(Byte(bytes, 0) & 15) * 4;
    if (at < 20 || bytes.size() < at ||
        !ToAddress(AF_INET, bytes.substr(12), &packet->source) ||
        !ToAddress(AF_INET, bytes.substr(16), &packet->destination)) {
      return false;
    }
    protocol = Byte(bytes, 9);
  } else if (Byte(bytes, 0) >> 4 == 6) {
    at = 40;
    if (bytes.size() < at ||
        !ToAddress(AF_INET6, bytes.substr(8), &packet->source) ||
        !ToAddress(AF_INET6, bytes.substr(24), &packet->destination)) {
      return false;
    }
    protocol = Byte(bytes, 6);
  }
  if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
      bytes.size() < at + 8) {
    return false;
  }
  packet->protocol =
      protocol == IPPROTO_TCP ? Protocol::kTcp : Protocol::kUdp;
  packet->source_port = Word(bytes, at);
  packet->destination_port = Word(bytes, at + 2);
  if (protocol == IPPROTO_UDP) {
    packet->payload = std::string(bytes.substr(at + 8));
  }
  return true;
}

std::string QuestionOf(absl::string_view payload) {
  // A query (no answer) of at least one question.
  if (payload.size() < 13 || (Byte(payload, 2) & 0x80) != 0 ||
      Word(payload, 4) == 0) {
    return "";
  }
  std::string name;
  size_t at = 12;
  while (at < payload.size()) {
    const size_t length = Byte(payload, at);
    if (length == 0) return name.empty() ? "." : name;
    if (length > 63 || at + 1 + length > payload.size()) return "";
    if (!name.empty()) name += '.';
    for (const char c : payload.substr(at + 1, length)) {
      name += absl::ascii_isgraph(c) ? absl::ascii_tolower(c) : '?';
    }
    if (name.size() > kMaxQuestion) return "";
    at += 1 + length;
  }
  return "";
}

absl::StatusOr<std::unique_ptr<PacketLog>> PacketLog::Start(
    uint16_t group, std::function<void(const LoggedPacket&)> seen) {
  const int fd =
      socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) return Errno("no socket");
  sockaddr_nl name = {.nl_family = AF_NETLINK};
  absl::Status status;
  if (bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) {
    status = Errno("no socket");
  }
  if (status.ok()) {
    status = Configure(fd, group, [](nlmsghdr* message) {
      const nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
      mnl_attr_put(message, NFULA_CFG_CMD, sizeof command, &command);
    });
  }
  if (status.ok()) {
    status = Configure(fd, group, [](nlmsghdr* message) {
      nfulnl_msg_config_mode mode = {};
      mode.copy_range = htonl(kCopy);
      mode.copy_mode = NFULNL_COPY_PACKET;
      mnl_attr_put(message, NFULA_CFG_MODE, sizeof mode, &mode);
      // Told at once: a sender does not live long.
      mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(1));
    });
  }
  if (!status.ok()) {
    close(fd);
    return status;
  }
  const int stop = eventfd(0, EFD_CLOEXEC);
  SLUICE_CHECK(stop >= 0);
  return std::unique_ptr<PacketLog>(new PacketLog(std::move(seen), fd, stop));
}

PacketLog::PacketLog(std::function<void(const LoggedPacket&)> seen, int socket,
                     int stop)
    : seen_(std::move(seen)),
      socket_(socket),
      stop_(stop),
      thread_([this] { Run(); }) {}

PacketLog::~PacketLog() {
  const uint64_t one = 1;
  SLUICE_CHECK(write(stop_, &one, sizeof one) == sizeof one);
  thread_.join();
  close(socket_);
  close(stop_);
}

void PacketLog::Run() {
  // Not filled: what nothing was ever written to takes no memory.
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBufferSize);
  while (true) {
    pollfd entries[] = {{.fd = socket_, .events = POLLIN, .revents = 0},
                        {.fd = stop_, .events = POLLIN, .revents = 0}};
    if (poll(entries, 2, -1) < 0 && errno != EINTR) return;
    if (entries[1].revents != 0) return;
    const ssize_t got =
        recv(socket_, buffer.get(), kBufferSize, MSG_DONTWAIT);
    // What did not fit was not told; the sets have counted it all the same.
    int left = got < 0 ? 0 : static_cast<int>(got);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.get());
    while (mnl_nlmsg_ok(message, left)) {
      Take(message, seen_);
      message = mnl_nlmsg_next(message, &left);
    }
  }
}

}  // namespace sluice::agent
