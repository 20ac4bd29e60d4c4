#include "agents/isolation/connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

struct CloseHandle {
  void operator()(nfct_handle* handle) const { nfct_close(handle); }
};
struct DestroyEntry {
  void operator()(nf_conntrack* entry) const { nfct_destroy(entry); }
};
using Handle = std::unique_ptr<nfct_handle, CloseHandle>;
using Entry = std::unique_ptr<nf_conntrack, DestroyEntry>;

absl::Status Failed(absl::string_view what) {
  const int error = errno;
  if (error == EPERM) {
    return absl::PermissionDeniedError(absl::StrCat(
        what, " needs CAP_NET_ADMIN; run as root or give the program this ",
        "capability"));
  }
  return absl::InternalError(
      absl::StrCat(what, " failed: ", strerror(error),
                   "; old sessions may linger, so isolate again"));
}

AddressBytes Address(const nf_conntrack* entry, Family family,
                     nf_conntrack_attr v4, nf_conntrack_attr v6) {
  AddressBytes bytes{};
  if (family == Family::kIpv4) {
    const uint32_t word = nfct_get_attr_u32(entry, v4);
    memcpy(bytes.data(), &word, sizeof word);
  } else if (const void* data = nfct_get_attr(entry, v6); data != nullptr) {
    memcpy(bytes.data(), data, bytes.size());
  }
  return bytes;
}

// The kernel's IP_CT_TCP_FLAG_BE_LIBERAL: it knows no window, because it has
// not seen the opening.
constexpr uint8_t kPickedUp = 0x08;

Connection ToConnection(const nf_conntrack* entry) {
  Connection c;
  c.family = nfct_get_attr_u8(entry, ATTR_ORIG_L3PROTO) == AF_INET6
                 ? Family::kIpv6
                 : Family::kIpv4;
  c.protocol = nfct_get_attr_u8(entry, ATTR_ORIG_L4PROTO);
  c.client = Address(entry, c.family, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC);
  c.server = Address(entry, c.family, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST);
  c.outside_client =
      Address(entry, c.family, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST);
  c.outside_server =
      Address(entry, c.family, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC);
  if (nfct_attr_is_set(entry, ATTR_ORIG_PORT_DST) > 0) {
    c.server_port = ntohs(nfct_get_attr_u16(entry, ATTR_ORIG_PORT_DST));
  }
  if (nfct_attr_is_set(entry, ATTR_REPL_PORT_SRC) > 0) {
    c.outside_port = ntohs(nfct_get_attr_u16(entry, ATTR_REPL_PORT_SRC));
  }
  c.picked_up =
      nfct_attr_is_set(entry, ATTR_TCP_FLAGS_ORIG) > 0 &&
      (nfct_get_attr_u8(entry, ATTR_TCP_FLAGS_ORIG) & kPickedUp) != 0;
  return c;
}

// Small enough that the kernel's answers fit, should it refuse each deletion.
constexpr size_t kBatch = 16 << 10;
constexpr size_t kAnswers = 64 << 10;

// What tells a connection from all others; within the kernel's message.
struct Name {
  const nlattr* tuple = nullptr;
  const nlattr* zone = nullptr;
};

int ReadName(const nlattr* attribute, void* user) {
  auto* name = static_cast<Name*>(user);
  const uint16_t type = mnl_attr_get_type(attribute);
  if (type == CTA_TUPLE_ORIG) name->tuple = attribute;
  if (type == CTA_ZONE) name->zone = attribute;
  return MNL_CB_OK;
}

// 0 when it is no error, or that of something done.
int ErrorOf(const nlmsghdr* message) {
  if (message->nlmsg_type != NLMSG_ERROR) return 0;
  return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
}

// One socket to the kernel's memory of connections.
class Conntrack {
 public:
  Conntrack()
      // The kernel answers before sending returns: what is not there then will
      // not come.
      : socket_(
            mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK)),
        answers_(std::make_unique_for_overwrite<char[]>(kAnswers)) {}
  ~Conntrack() {
    if (socket_ != nullptr) mnl_socket_close(socket_);
  }
  Conntrack(const Conntrack&) = delete;
  Conntrack& operator=(const Conntrack&) = delete;

  // False: errno says why. As below.
  bool Open() {
    // Of what it refuses the number is enough, without the message.
    int yes = 1;
    if (socket_ == nullptr ||
        mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) != 0) {
      return false;
    }
    mnl_socket_setsockopt(socket_, NETLINK_CAP_ACK, &yes, sizeof yes);
    return true;
  }

  // Calls `look` with each connection, of both families.
  bool Dump(const std::function<void(const nlmsghdr*)>& look) {
    char buffer[MNL_NLMSG_HDRLEN + sizeof(nfgenmsg)] = {};
    nlmsghdr* header = Header(buffer, IPCTNL_MSG_CT_GET, AF_UNSPEC);
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    return mnl_socket_sendto(socket_, header, header->nlmsg_len) >= 0 &&
           Hear([&](const nlmsghdr* message, int*) {
             if (message->nlmsg_type == kNewConnection) look(message);
             return message->nlmsg_type == NLMSG_DONE;
           });
  }

  // Puts the deletion of a connection behind those that wait in `batch`.
  static void AddDeletion(const nlmsghdr* connection, std::string* batch) {
    const auto* head =
        static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(connection));
    char buffer[512] = {};
    nlmsghdr* header = Header(buffer, IPCTNL_MSG_CT_DELETE, head->nfgen_family);
    Name name;
    mnl_attr_parse(connection, sizeof(nfgenmsg), ReadName, &name);
    for (const nlattr* part : {name.tuple, name.zone}) {
      if (part == nullptr) continue;
      const size_t size = MNL_ALIGN(part->nla_len);
      if (header->nlmsg_len + size > sizeof buffer) return;
      memcpy(buffer + header->nlmsg_len, part, part->nla_len);
      header->nlmsg_len += static_cast<uint32_t>(size);
    }
    // A deletion that names none would delete them all.
    if (name.tuple != nullptr) batch->append(buffer, header->nlmsg_len);
  }

  // Carries out what AddDeletion() made. What ended by itself meanwhile is no
  // error.
  bool Delete(std::string batch) {
    char* at = batch.data();
    char* const end = at + batch.size();
    while (at < end) {
      char* const begin = at;
      nlmsghdr* last = nullptr;
      while (at < end) {
        auto* const next = reinterpret_cast<nlmsghdr*>(at);
        if (at + next->nlmsg_len - begin > ptrdiff_t{kBatch}) break;
        last = next;
        at += next->nlmsg_len;
      }
      last->nlmsg_flags |= NLM_F_ACK;  // all before it were carried out by then
      last->nlmsg_seq = ++sequence_;
      if (mnl_socket_sendto(socket_, begin, static_cast<size_t>(at - begin)) <
          0) {
        return false;
      }
      const bool heard = Hear([this](const nlmsghdr* message, int* error) {
        if (*error == ENOENT) *error = 0;
        return message->nlmsg_type == NLMSG_ERROR &&
               message->nlmsg_seq == sequence_;
      });
      if (!heard) return false;
    }
    return true;
  }

 private:
  static constexpr uint16_t kNewConnection =
      NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;

  static nlmsghdr* Header(char* buffer, uint16_t type, uint8_t family) {
    nlmsghdr* header = mnl_nlmsg_put_header(buffer);
    header->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
    header->nlmsg_flags = NLM_F_REQUEST;
    auto* head = static_cast<nfgenmsg*>(
        mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
    head->nfgen_family = family;
    head->version = NFNETLINK_V0;
    return header;
  }

  // Hands over what the kernel says, until `last` says that this was it, or
  // leaves an error.
  bool Hear(const std::function<bool(const nlmsghdr*, int* error)>& last) {
    while (true) {
      const ssize_t got =
          mnl_socket_recvfrom(socket_, answers_.get(), kAnswers);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return false;
      int left = static_cast<int>(got);
      const auto* message = reinterpret_cast<const nlmsghdr*>(answers_.get());
      for (; mnl_nlmsg_ok(message, left);
           message = mnl_nlmsg_next(message, &left)) {
        int error = ErrorOf(message);
        const bool done = last(message, &error);
        if (error != 0) {
          errno = error;
          return false;
        }
        if (done) return true;
      }
    }
  }

  mnl_socket* const socket_;
  const std::unique_ptr<char[]> answers_;
  uint32_t sequence_ = 0;
};

bool InPrefix(const AddressBytes& address, const Prefix& prefix) {
  const int whole = prefix.length() / 8;
  if (memcmp(address.data(), prefix.bytes().data(), whole) != 0) return false;
  const int rest = prefix.length() % 8;
  if (rest == 0) return true;
  const uint8_t mask = static_cast<uint8_t>(0xff << (8 - rest));
  return ((address[whole] ^ prefix.bytes()[whole]) & mask) == 0;
}

uint8_t Number(Protocol protocol) {
  return protocol == Protocol::kTcp ? IPPROTO_TCP : IPPROTO_UDP;
}

}  // namespace

Admission::Admission(const std::vector<Flow>& flows) {
  for (const Flow& flow : flows) {
    if (flow.client.is_host() && flow.server.is_host() &&
        flow.ports.first == flow.ports.last) {
      exact_.insert({flow.client.family(), Number(flow.protocol),
                     flow.client.bytes(), flow.server.bytes(),
                     flow.ports.first});
    } else {
      wide_.push_back(flow);
    }
  }
}

bool Admission::Admits(Family family, uint8_t protocol,
                       const AddressBytes& client, const AddressBytes& server,
                       uint16_t port) const {
  if (exact_.contains({family, protocol, client, server, port})) return true;
  for (const Flow& flow : wide_) {
    if (flow.client.family() == family && Number(flow.protocol) == protocol &&
        flow.ports.first <= port && port <= flow.ports.last &&
        InPrefix(server, flow.server) && InPrefix(client, flow.client)) {
      return true;
    }
  }
  return false;
}

absl::StatusOr<std::set<AddressBytes>> LocalAddresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return Failed("listing this host's addresses");
  std::set<AddressBytes> addresses;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    AddressBytes bytes{};
    if (at->ifa_addr->sa_family == AF_INET) {
      memcpy(bytes.data(),
             &reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr, 4);
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      memcpy(bytes.data(),
             &reinterpret_cast<const sockaddr_in6*>(at->ifa_addr)->sin6_addr,
             16);
    } else {
      continue;
    }
    addresses.insert(bytes);
  }
  freeifaddrs(list);
  return addresses;
}

absl::Status ForgetConnections(
    const std::function<bool(const Connection&)>& keep) {
  Conntrack conntrack;
  std::string doomed;
  bool read = conntrack.Open();
  read = read && conntrack.Dump([&](const nlmsghdr* message) {
    const Entry entry(nfct_new());
    if (entry == nullptr || nfct_nlmsg_parse(message, entry.get()) < 0 ||
        !keep(ToConnection(entry.get()))) {
      Conntrack::AddDeletion(message, &doomed);
    }
  });
  if (!read) return Failed("reading the kernel's connections");
  if (!conntrack.Delete(std::move(doomed))) {
    return Failed("forgetting a connection");
  }
  return absl::OkStatus();
}

absl::Status ForgetAllConnections() {
  const Handle handle(nfct_open(CONNTRACK, 0));
  if (handle == nullptr) return Failed("reading the kernel's connections");
  for (const uint32_t family : {AF_INET, AF_INET6}) {
    if (nfct_query(handle.get(), NFCT_Q_FLUSH, &family) < 0) {
      return Failed("forgetting the kernel's connections");
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::agent
