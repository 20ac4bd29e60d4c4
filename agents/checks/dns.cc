// dns: one question over UDP to this host's own name service, or, without a
// port, to the resolver that the host itself uses.

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agents/checks/check.h"
#include "agents/checks/connect.h"

namespace sluice::agent {
namespace {

constexpr std::pair<absl::string_view, ns_type> kTypes[] = {
    {"A", ns_t_a},   {"AAAA", ns_t_aaaa}, {"CNAME", ns_t_cname},
    {"MX", ns_t_mx}, {"SRV", ns_t_srv},   {"TXT", ns_t_txt},
};

struct Question {
  std::vector<uint8_t> packet;
  uint16_t id = 0;
};

std::optional<Question> MakeQuestion(const std::string& name, ns_type type) {
  struct __res_state resolver = {};
  if (res_ninit(&resolver) != 0) return std::nullopt;
  uint8_t packet[NS_PACKETSZ];
  const int size =
      res_nmkquery(&resolver, ns_o_query, name.c_str(), ns_c_in, type, nullptr,
                   0, nullptr, packet, sizeof packet);
  res_nclose(&resolver);
  if (size < NS_HFIXEDSZ) return std::nullopt;
  Question question{{packet, packet + size}, 0};
  question.id = static_cast<uint16_t>(packet[0] << 8 | packet[1]);
  return question;
}

// The answer's bytes; empty when there was none in time.
std::vector<uint8_t> Ask(const Prefix& server, uint16_t port,
                         const Question& question, absl::Duration timeout,
                         const Stop& stop) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(sockaddr_in);
  if (server.family() == Family::kIpv4) {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    std::memcpy(&in->sin_addr, server.bytes().data(), 4);
  } else {
    auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    std::memcpy(&in->sin6_addr, server.bytes().data(), 16);
    size = sizeof *in;
  }
  const int fd =
      socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  std::vector<uint8_t> answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&storage), size) == 0 &&
      send(fd, question.packet.data(), question.packet.size(), 0) > 0) {
    pollfd entries[] = {{.fd = fd, .events = POLLIN, .revents = 0},
                        {.fd = stop.fd(), .events = POLLIN, .revents = 0}};
    poll(entries, 2, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
    answer.resize(65536);
    const ssize_t got = recv(fd, answer.data(), answer.size(), 0);
    answer.resize(got > 0 ? static_cast<size_t>(got) : 0);
  }
  close(fd);
  return answer;
}

// The name at `offset` of the record's data.
std::string NameIn(const ns_msg& message, const ns_rr& record, size_t offset) {
  char name[NS_MAXDNAME];
  if (ns_rr_rdlen(record) <= offset ||
      ns_name_uncompress(ns_msg_base(message), ns_msg_end(message),
                         ns_rr_rdata(record) + offset, name, sizeof name) < 0) {
    return "";
  }
  return name;
}

// The record's value for people; empty for other types (a CNAME on the way).
std::string RecordText(const ns_msg& message, const ns_rr& record,
                       ns_type type) {
  const uint8_t* data = ns_rr_rdata(record);
  const size_t size = ns_rr_rdlen(record);
  if (ns_rr_type(record) != type) return "";
  char buffer[INET6_ADDRSTRLEN];
  switch (type) {
    case ns_t_a:
      if (size != 4) return "";
      return inet_ntop(AF_INET, data, buffer, sizeof buffer);
    case ns_t_aaaa:
      if (size != 16) return "";
      return inet_ntop(AF_INET6, data, buffer, sizeof buffer);
    case ns_t_cname:
      return NameIn(message, record, 0);
    case ns_t_mx:
      return NameIn(message, record, 2);
    case ns_t_srv:
      return NameIn(message, record, 6);
    case ns_t_txt:
      return size < 1 || size < 1u + data[0]
                 ? ""
                 : std::string(reinterpret_cast<const char*>(data) + 1,
                               data[0]);
    default:
      return "";
  }
}

CheckResult Judge(const CheckSpec& spec, const Question& question, ns_type type,
                  const std::vector<uint8_t>& answer,
                  const std::string& where) {
  const std::string name = Arg(spec, "ask");
  ns_msg message;
  if (ns_initparse(answer.data(), static_cast<int>(answer.size()), &message) !=
          0 ||
      ns_msg_id(message) != question.id || !ns_msg_getflag(message, ns_f_qr)) {
    return Fail(absl::StrCat(where, " answered something that is not DNS"));
  }
  if (const int code = ns_msg_getflag(message, ns_f_rcode);
      code != ns_r_noerror) {
    return Fail(absl::StrCat(
        where, code == ns_r_nxdomain ? " does not know " : " did not resolve ",
        name, code == ns_r_nxdomain ? "" : absl::StrCat(" (code ", code, ")")));
  }
  std::vector<std::string> values;
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) != 0) break;
    std::string value = RecordText(message, record, type);
    if (!value.empty()) values.push_back(std::move(value));
  }
  if (values.empty()) {
    return Fail(absl::StrCat(where, " has no such record for ", name));
  }
  const std::string shown = absl::StrJoin(values, ", ");
  const std::string expect = Arg(spec, "expect");
  if (!expect.empty() && !absl::StrContains(shown, expect)) {
    return Fail(absl::StrCat(name, " is ", shown, ", expected ", expect));
  }
  return Pass(absl::StrCat(name, " is ", shown));
}

std::vector<Prefix> HostsOwnResolvers() {
  std::vector<Prefix> servers;
  std::ifstream file("/etc/resolv.conf");
  std::string word;
  while (file >> word) {
    if (word != "nameserver" || !(file >> word)) continue;
    const absl::StatusOr<Prefix> server = Prefix::Parse(word);
    if (server.ok()) servers.push_back(*server);
  }
  return servers;
}

}  // namespace

CheckResult CheckDns(const CheckSpec& spec, const CheckContext& context,
                     const Stop& stop) {
  const auto type =
      std::find_if(std::begin(kTypes), std::end(kTypes),
                   [wanted = Arg(spec, "type", "A")](const auto& entry) {
                     return entry.first == wanted;
                   });
  if (type == std::end(kTypes)) {
    return Inconclusive("dns: this type of record is not known");
  }
  const std::optional<Question> question =
      MakeQuestion(Arg(spec, "ask"), type->second);
  if (!question.has_value()) {
    return Inconclusive("dns: 'ask' is not a name that can be asked for");
  }
  const bool own = spec.args.contains("port");
  const uint16_t port = own ? PortArg(spec) : NS_DEFAULTPORT;
  if (port == 0) return Inconclusive("dns: 'port' is not a port number");
  const absl::Time until = absl::Now() + spec.timeout;
  for (const Prefix& server :
       own ? Places(spec, context) : HostsOwnResolvers()) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    const std::vector<uint8_t> answer =
        Ask(server, port, *question, left, stop);
    if (stop.IsSet()) return Inconclusive("the agent is ending");
    if (!answer.empty()) {
      return Judge(spec, *question, type->second, answer,
                   Endpoint(server, port));
    }
  }
  return Fail(absl::StrCat("no name server answers on port ", port));
}

}  // namespace sluice::agent
