#include "agents/isolation/table_watch.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/contract.h"

namespace sluice::agent {
namespace {

constexpr size_t kBufferSize = 64 << 10;
constexpr int kBacklog = 1 << 20;  // in the kernel, as needed

// The name of the table stands in the same place of every kind of message.
constexpr int kTableName = NFTA_TABLE_NAME;
static_assert(kTableName == int{NFTA_CHAIN_TABLE} &&
              kTableName == int{NFTA_RULE_TABLE} &&
              kTableName == int{NFTA_SET_TABLE} &&
              kTableName == int{NFTA_SET_ELEM_LIST_TABLE} &&
              kTableName == int{NFTA_OBJ_TABLE});

bool IsOurSocket(int fd, uint32_t port) {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 ||
      protocol != NETLINK_NETFILTER) {
    return false;
  }
  sockaddr_nl name = {};
  size = sizeof name;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0 &&
         name.nl_family == AF_NETLINK && name.nl_pid == port;
}

// Looked up each time: the library opens its socket anew when it has to.
bool IsOurPort(uint32_t port) {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return false;
  bool found = false;
  while (const dirent* entry = found ? nullptr : readdir(folder)) {
    int fd = -1;
    found = absl::SimpleAtoi(entry->d_name, &fd) && IsOurSocket(fd, port);
  }
  closedir(folder);
  return found;
}

struct GenText {
  std::string name;
  uint32_t pid = 0;
};

int ReadTable(const nlattr* attribute, void* user) {
  if (mnl_attr_get_type(attribute) == kTableName &&
      mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
    *static_cast<std::string*>(user) = mnl_attr_get_str(attribute);
  }
  return MNL_CB_OK;
}

int ReadGen(const nlattr* attribute, void* user) {
  auto* gen = static_cast<GenText*>(user);
  const uint16_t type = mnl_attr_get_type(attribute);
  if (type == NFTA_GEN_PROC_PID &&
      mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0) {
    gen->pid = ntohl(mnl_attr_get_u32(attribute));
  } else if (type == NFTA_GEN_PROC_NAME &&
             mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
    gen->name = mnl_attr_get_str(attribute);
  }
  return MNL_CB_OK;
}

// The messages of one transaction come together; its end names the process.
class Reader {
 public:
  Reader(const std::string& table,
         const std::function<void(const std::string&)>& touched)
      : table_(table), touched_(touched) {}

  void Take(const nlmsghdr* message) {
    if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
        message->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(nfgenmsg)) {
      return;
    }
    if (NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN) {
      GenText gen;
      mnl_attr_parse(message, sizeof(nfgenmsg), ReadGen, &gen);
      if (std::exchange(pending_, false)) {
        touched_(gen.name.empty()
                     ? "unknown"
                     : absl::StrCat(gen.name, ", process ", gen.pid));
      }
      return;
    }
    const auto* head =
        static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
    if (head->nfgen_family != NFPROTO_INET || pending_) return;
    std::string table;
    mnl_attr_parse(message, sizeof(nfgenmsg), ReadTable, &table);
    pending_ = table == table_ && !IsOurPort(message->nlmsg_pid);
  }

 private:
  const std::string& table_;
  const std::function<void(const std::string&)>& touched_;
  bool pending_ = false;
};

absl::Status Errno(absl::string_view what) {
  return absl::UnavailableError(
      absl::StrCat("other programs' changes of the kernel's rules cannot be "
                   "watched: ",
                   what, ": ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TableWatch>> TableWatch::Start(
    std::string table, std::function<void(const std::string& hand)> touched) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                        NETLINK_NETFILTER);
  if (fd < 0) return Errno("no socket");
  const int group = NFNLGRP_NFTABLES;
  // Unbound, it would hear nothing.
  sockaddr_nl name = {.nl_family = AF_NETLINK};
  if (bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
      setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
                 sizeof group) != 0) {
    const absl::Status status = Errno("not let in");
    close(fd);
    return status;
  }
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBacklog, sizeof kBacklog);
  const int stop = eventfd(0, EFD_CLOEXEC);
  SLUICE_CHECK(stop >= 0);
  return std::unique_ptr<TableWatch>(
      new TableWatch(std::move(table), std::move(touched), fd, stop));
}

TableWatch::TableWatch(std::string table,
                       std::function<void(const std::string&)> touched,
                       int socket, int stop)
    : table_(std::move(table)),
      touched_(std::move(touched)),
      socket_(socket),
      stop_(stop),
      thread_([this] { Run(); }) {}

TableWatch::~TableWatch() {
  const uint64_t one = 1;
  SLUICE_CHECK(write(stop_, &one, sizeof one) == sizeof one);
  thread_.join();
  close(socket_);
  close(stop_);
}

void TableWatch::Run() {
  Reader reader(table_, touched_);
  // Not filled: what nothing was ever written to takes no memory.
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBufferSize);
  while (true) {
    pollfd entries[] = {{.fd = socket_, .events = POLLIN, .revents = 0},
                        {.fd = stop_, .events = POLLIN, .revents = 0}};
    if (poll(entries, 2, -1) < 0 && errno != EINTR) return;
    if (entries[1].revents != 0) return;
    const ssize_t got = recv(socket_, buffer.get(), kBufferSize, 0);
    if (got < 0 && errno == ENOBUFS) {
      touched_("");
      continue;
    }
    int left = got < 0 ? 0 : static_cast<int>(got);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.get());
    while (mnl_nlmsg_ok(message, left)) {
      reader.Take(message);
      message = mnl_nlmsg_next(message, &left);
    }
  }
}

}  // namespace sluice::agent
