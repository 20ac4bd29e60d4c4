#include "agents/isolation/connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#include <memory>

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

struct Sweep {
  const std::function<bool(const Connection&)>& keep;
  std::vector<Entry> doomed;
};

int Look(nf_conntrack_msg_type, nf_conntrack* entry, void* data) {
  Sweep& sweep = *static_cast<Sweep*>(data);
  if (!sweep.keep(ToConnection(entry))) {
    if (nf_conntrack* copy = nfct_clone(entry); copy != nullptr) {
      sweep.doomed.emplace_back(copy);
    }
  }
  return NFCT_CB_CONTINUE;
}

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
  const Handle handle(nfct_open(CONNTRACK, 0));
  if (handle == nullptr) return Failed("reading the kernel's connections");
  Sweep sweep{keep, {}};
  nfct_callback_register(handle.get(), NFCT_T_ALL, Look, &sweep);
  const uint32_t both_families = AF_UNSPEC;
  if (nfct_query(handle.get(), NFCT_Q_DUMP, &both_families) < 0) {
    return Failed("reading the kernel's connections");
  }
  nfct_callback_unregister(handle.get());
  for (const Entry& entry : sweep.doomed) {
    if (nfct_query(handle.get(), NFCT_Q_DESTROY, entry.get()) != 0 &&
        errno != ENOENT) {  // it ended by itself meanwhile
      return Failed("forgetting a connection");
    }
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
