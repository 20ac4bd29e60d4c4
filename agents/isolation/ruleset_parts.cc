#include "agents/isolation/ruleset_parts.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/substitute.h"
#include "agents/isolation/packet_log.h"

namespace sluice::agent {
namespace {

bool Is4(const SetKey& key) { return key.family == Family::kIpv4; }

// The connection's two ends and the server's port, as the client meant them.
std::string OriginalTuple(const SetKey& key) {
  const char* ip = Is4(key) ? "ip" : "ip6";
  return absl::Substitute(
      "ct original $0 saddr . ct original $0 daddr . ct original proto-dst",
      ip);
}

// The same, as the network outside sees it once the guest's address has been
// replaced by the host's: the reply's tuple, mirrored.
std::string OutsideTuple(const SetKey& key) {
  const char* ip = Is4(key) ? "ip" : "ip6";
  return absl::Substitute(
      "ct reply $0 daddr . ct reply $0 saddr . ct reply proto-src", ip);
}

std::string Hex(const Prefix& address) {
  const size_t size = address.family() == Family::kIpv4 ? 4 : 16;
  return absl::StrCat(
      "0x", absl::BytesToHexString(absl::string_view(
                reinterpret_cast<const char*>(address.bytes().data()), size)));
}

// Path MTU errors about a management flow. It is not tracked, so the kernel
// cannot tell that they belong to it: the header they quote is read instead.
// Bits are counted from the start of the ICMP header.
std::string PathMtuRule(const Flow& flow) {
  const bool is4 = flow.client.family() == Family::kIpv4;
  const int width = is4 ? 32 : 128;
  std::string rule =
      is4 ? "icmp type destination-unreachable icmp code frag-needed"
          : "icmpv6 type packet-too-big";
  const auto match = [&](int offset, int bits, const std::string& value) {
    absl::StrAppend(&rule, " @th,", offset, ",", bits, " ", value);
  };
  match(is4 ? 136 : 112, 8, flow.protocol == Protocol::kTcp ? "6" : "17");
  if (flow.client.is_host()) match(is4 ? 160 : 128, width, Hex(flow.client));
  if (flow.server.is_host()) match(is4 ? 192 : 256, width, Hex(flow.server));
  match(is4 ? 240 : 400, 16, flow.ports.ToString());
  return absl::StrCat(rule, " accept");
}

class Frame {
 public:
  explicit Frame(const RulesetOptions& options) : options_(options) {}

  void Line(absl::string_view line) {
    absl::StrAppend(&text_, "    ", line, "\n");
  }
  void Set(absl::string_view name, absl::string_view type,
           absl::string_view elements = "") {
    absl::StrAppend(&text_, "  set ", name, " { ", type,
                    elements.empty() ? "" : " elements = ", elements,
                    elements.empty() ? "" : ";", " }\n");
  }
  void Begin(absl::string_view chain, absl::string_view hook = "") {
    absl::StrAppend(&text_, "  chain ", chain, " {\n");
    if (!hook.empty()) Line(hook);
  }
  void End() { absl::StrAppend(&text_, "  }\n"); }

  bool has_guests() const { return !options_.interior.empty(); }
  std::string Take() { return std::move(text_); }

  void Sensors(const Sensor& sensor);
  void Management(const FlowSets& management);
  void Neighbours();
  void Flows();
  void Record();
  void Ask();
  void Hooks();

 private:
  const RulesetOptions& options_;
  std::string text_;
};

void Frame::Sensors(const Sensor& sensor) {
  absl::StrAppend(&text_, "  counter ", kDropped, " { }\n",
                  SensorSets(sensor));
  if (options_.log_group == 0) return;
  for (const char* version : {"4", "6"}) {
    Set(absl::StrCat(kTriedAsk, version),
        absl::StrCat("type ipv", version, "_addr . inet_proto . inet_service; ",
                     "size ", kMaxAttempts,
                     "; flags dynamic,timeout; timeout 1m;"));
  }
}

void Frame::Management(const FlowSets& management) {
  for (const auto& [key, flows] : management) {
    Set(SetName(kManagement, key), SetType(key));
  }
  const auto each = [&](absl::string_view from, absl::string_view rest) {
    const bool outbound = from == "client";
    for (const auto& [key, flows] : management) {
      const char* ip = Is4(key) ? "ip" : "ip6";
      const bool tcp = key.protocol == Protocol::kTcp;
      const absl::string_view no_syn = tcp && !outbound && rest == "accept"
                                           ? "tcp flags & (syn | ack) != syn "
                                           : "";
      Line(absl::Substitute(outbound
                                ? "$0 saddr . $0 daddr . $1 dport @$2 $3$4"
                                : "$0 daddr . $0 saddr . $1 sport @$2 $3$4",
                            ip, ProtocolName(key.protocol),
                            SetName(kManagement, key), no_syn, rest));
    }
  };
  Begin("raw_in", "type filter hook prerouting priority raw; policy accept;");
  each("server", "notrack");
  End();
  Begin("raw_out", "type filter hook output priority raw; policy accept;");
  each("client", "notrack");
  End();
  // No opening SYN comes in: this host is the client.
  Begin("management_in");
  each("server", "accept");
  for (const Flow& flow : AllFlows(management)) Line(PathMtuRule(flow));
  End();
  Begin("management_out");
  each("client", "accept");
  End();
}

// The hop limits prove that the sender is on the link.
void Frame::Neighbours() {
  Begin("neighbours");
  Line(
      "icmpv6 type { nd-router-solicit, nd-router-advert, "
      "nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept");
  Line(
      "icmpv6 type { mld-listener-query, mld-listener-report, "
      "mld-listener-done, mld2-listener-report } ip6 hoplimit 1 accept");
  End();
}

void Frame::Flows() {
  for (const char* group : {kVital, kStanding}) {
    Begin(group);
    End();
    if (!has_guests()) continue;
    Begin(GuestChain(group));
    End();
  }
  // Redirects are related to open connections too, and are an attacker's tool.
  // S4: what does not begin with a SYN is a session from before, also where a
  // helper expected it (`related`). Nor does a server answer an opening with
  // one of its own: two that cross are one session the wrong way round.
  // Vital flows go first: their sessions from before are to live on.
  const auto old_sessions = [this] {
    Line("ct state invalid,untracked return");
    Line("ct state new,related tcp flags & (fin | syn | rst | ack) != syn "
         "return");
    Line("ct direction reply tcp flags & (fin | syn | rst | ack) == syn "
         "return");
  };
  Begin("flows");
  Line("icmp type redirect return");
  Line("icmpv6 type nd-redirect return");
  Line("jump vital");
  old_sessions();
  Line("jump standing");
  End();
  if (!has_guests()) return;
  Begin("flows_guests");
  Line("icmp type redirect return");
  Line("icmpv6 type nd-redirect return");
  old_sessions();
  Line(absl::StrCat("jump ", GuestChain(kVital)));
  Line(absl::StrCat("jump ", GuestChain(kStanding)));
  End();
}

// Openings only: what is left of old sessions says nothing about intent.
// Recorded apart from the verdict: a full set ends its rule, not the drop.
void Frame::Record() {
  for (const bool outbound : {false, true}) {
    const char* name = outbound ? kTriedOut : kTriedIn;
    const char* end = outbound ? "daddr" : "saddr";
    Begin(outbound ? "record_out" : "record_in");
    for (const char* version : {"4", "6"}) {
      const char* ip = version[0] == '4' ? "ip" : "ip6";
      Line(absl::Substitute(
          "meta nfproto ipv$0 $4 add @$1$0 "
          "{ $2 $3 . meta l4proto . tcp dport }",
          version, name, ip, end, kOpeningSyn));
      Line(
          absl::Substitute("meta nfproto ipv$0 meta l4proto udp ct state new "
                           "add @$1$0 { $2 $3 . meta l4proto . udp dport }",
                           version, name, ip, end));
    }
    End();
  }
}

// Names first: each is told. Limits hold for all processes together, so that a
// flood tells of itself and of nothing else; the sets count it all the same.
void Frame::Ask() {
  const std::string log = absl::StrCat("group ", options_.log_group);
  Begin("ask");
  Line(absl::StrCat("udp dport 53 limit rate 20/second burst 100 packets ",
                    "log prefix \"", kLogName, "\" ", log, " snaplen 512 ",
                    "return"));
  for (const char* version : {"4", "6"}) {
    const char* ip = version[0] == '4' ? "ip" : "ip6";
    for (const char* protocol : {"tcp", "udp"}) {
      const bool tcp = protocol[0] == 't';
      const std::string key = absl::Substitute(
          "$0 daddr . meta l4proto . $1 dport", ip, protocol);
      Line(absl::Substitute(
          "meta nfproto ipv$0 $1$2 != @$3$0 add @$3$0 { $2 } "
          "log prefix \"$4\" $5 snaplen 128$6",
          version, tcp ? absl::StrCat(kOpeningSyn, " ") : "", key, kTriedAsk,
          kLogRefused, log, tcp ? " drop" : ""));
    }
  }
  End();
}

void Frame::Hooks() {
  const std::string drop = absl::StrCat("counter name ", kDropped, " drop");
  if (has_guests()) {
    Set("interior", "type ifname;",
        absl::StrCat(
            "{ ",
            absl::StrJoin(options_.interior, ", ",
                          [](std::string* out, const std::string& name) {
                            absl::StrAppend(out, "\"", name, "\"");
                          }),
            " }"));
  }
  Begin("in", "type filter hook input priority filter - 10; policy drop;");
  Line("iif \"lo\" accept");
  if (has_guests()) Line("iifname @interior accept");
  Line("jump management_in");
  Line("jump neighbours");
  Line("jump flows");
  Line("jump record_in");
  Line(drop);
  End();
  // Rejected, so that local applications fail at once. What another table sends
  // elsewhere (destination NAT) still has lo as its way out here, but no local
  // address any more.
  Begin("out", "type filter hook output priority filter - 10; policy drop;");
  Line("oif \"lo\" fib daddr type { local, broadcast, multicast } accept");
  if (has_guests()) Line("oifname @interior accept");
  Line("jump management_out");
  Line("jump neighbours");
  Line("jump flows");
  Line("jump record_out");
  Line(absl::StrCat("counter name ", kDropped));
  if (options_.log_group != 0) Line("jump ask");
  Line("meta l4proto tcp reject with tcp reset");
  Line("reject with icmpx admin-prohibited");
  End();
  Begin("forward",
        "type filter hook forward priority filter - 10; policy drop;");
  if (has_guests()) Line("iifname @interior oifname @interior accept");
  Line("jump flows");
  if (has_guests()) {
    Line("jump flows_guests");
    Line("iifname @interior accept comment \"judged in egress\"");
  }
  Line("jump record_in");
  Line(drop);
  End();
  if (!has_guests()) return;
  // After source NAT: only here does a guest's packet show its host's address.
  // Everything that leaves is judged, whatever way it came.
  Begin("egress",
        "type filter hook postrouting priority srcnat + 10; policy drop;");
  Line("oif \"lo\" accept");
  Line("oifname @interior accept");
  // Only the host's own is untracked: a guest behind the host's address is not
  // the agent.
  Line("ct state untracked jump management_out");
  Line("jump neighbours");
  Line("jump flows");
  Line("jump flows_guests");
  Line("jump record_out");
  Line(drop);
  End();
}

}  // namespace

std::string SetName(const std::string& group, const SetKey& key) {
  return absl::StrCat(group, "_", key.Suffix());
}

std::string GuardName(const std::string& group) {
  return absl::StrCat(group, kGuardSuffix);
}

std::string GuestChain(const std::string& group) {
  return absl::StrCat(group, "_guests");
}

std::string SetType(const SetKey& key) {
  return absl::StrCat(
      Is4(key) ? "type ipv4_addr . ipv4_addr" : "type ipv6_addr . ipv6_addr",
      " . inet_service;", key.layer > 0 ? " flags interval;" : "");
}

std::string GuardType(const std::string& digest) {
  return absl::StrCat("type nf_proto; flags timeout; comment \"", digest,
                      "\";");
}

std::string ElementsText(const std::vector<Flow>& flows) {
  return absl::StrCat("{ ",
                      absl::StrJoin(flows, ", ",
                                    [](std::string* out, const Flow& flow) {
                                      absl::StrAppend(
                                          out, flow.client.ToString(), " . ",
                                          flow.server.ToString(), " . ",
                                          flow.ports.ToString());
                                    }),
                      " }");
}

std::vector<std::string> FlowRules(const std::string& group, const SetKey& key,
                                   bool guests) {
  const absl::string_view protocol = ProtocolName(key.protocol);
  const char* ip = Is4(key) ? "ip" : "ip6";
  const std::string in_set = absl::StrCat(" @", SetName(group, key), " accept");
  const std::string tuple = guests ? OutsideTuple(key) : OriginalTuple(key);
  // An ICMP error belongs to the connection whose packet it quotes.
  const std::string error =
      absl::StrCat("meta l4proto ", Is4(key) ? "icmp" : "ipv6-icmp",
                   " ct state related ct protocol ", protocol, " ");
  std::vector<std::string> rules = {
      absl::StrCat("meta l4proto ", protocol, " ", tuple, in_set),
      absl::StrCat(error, tuple, in_set)};
  if (group != kVital || guests) return rules;
  // A vital session that began before the kernel tracked connections (nothing
  // here asked it to) must not be cut: it is recognised by its packets, in
  // either direction, as long as none opens a session the wrong way round.
  rules.push_back(absl::Substitute("$0 saddr . $0 daddr . $1 dport$2", ip,
                                   protocol, in_set));
  rules.push_back(absl::Substitute(
      "$0 daddr . $0 saddr . $1 sport @$2$3 accept", ip, protocol,
      SetName(group, key),
      key.protocol == Protocol::kTcp ? " tcp flags & (syn | ack) != syn" : ""));
  // Tracking may have met it in the middle and taken it the wrong way round.
  rules.push_back(absl::Substitute(
      "$0ct original $1 daddr . ct original $1 saddr . ct original proto-src"
      "$2",
      error, ip, in_set));
  return rules;
}

std::string GuardedJump(const std::string& group, const std::string& chain) {
  return absl::StrCat("meta nfproto @", GuardName(group), " jump ", chain);
}

std::string SensorSets(const Sensor& sensor) {
  std::string text;
  for (const bool outbound : {false, true}) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      std::vector<std::string> elements;
      for (const Attempt& attempt : sensor.attempts) {
        if (attempt.outbound != outbound || attempt.peer.family() != family ||
            elements.size() == kMaxAttempts) {
          continue;
        }
        elements.push_back(absl::StrCat(attempt.peer.Address(), " . ",
                                        ProtocolName(attempt.protocol), " . ",
                                        attempt.port, " counter packets ",
                                        attempt.packets, " bytes 0"));
      }
      const bool is4 = family == Family::kIpv4;
      absl::StrAppend(&text, "  set ", outbound ? kTriedOut : kTriedIn,
                      is4 ? "4" : "6", " { type ",
                      is4 ? "ipv4_addr" : "ipv6_addr",
                      " . inet_proto . inet_service; size ", kMaxAttempts,
                      "; flags dynamic; counter; comment \"", kSincePrefix,
                      absl::ToInt64Milliseconds(sensor.since), "ms\";");
      if (!elements.empty()) {
        absl::StrAppend(&text, " elements = { ", absl::StrJoin(elements, ", "),
                        " };");
      }
      text += " }\n";
    }
  }
  return text;
}

std::string FrameText(const RulesetOptions& options, const FlowSets& management,
                      const Sensor& sensor) {
  Frame frame(options);
  frame.Sensors(sensor);
  frame.Management(management);
  frame.Neighbours();
  frame.Flows();
  frame.Record();
  if (options.log_group != 0) frame.Ask();
  frame.Hooks();
  return absl::StrCat("table inet ", options.table, " {\n",
                      "  comment \"Sluice: this host is quarantined\"\n",
                      frame.Take(), "}\n");
}

}  // namespace sluice::agent
