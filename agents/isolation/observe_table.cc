#include "agents/isolation/observe_table.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "agents/isolation/listing.h"
#include "agents/isolation/nft.h"
#include "agents/isolation/packet_log.h"
#include "agents/isolation/ruleset_parts.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

// Room for what comes until the next reading.
constexpr size_t kNearlyFull = kMaxAttempts * 3 / 4;
constexpr int kFirstAnswerPort = 32768;

RulesetOptions Options() { return {.table = kObserveTable}; }

void AddChain(bool outbound, uint16_t log_group, std::string* text) {
  const char* end = outbound ? "daddr" : "saddr";
  const char* set = outbound ? kTriedOut : kTriedIn;
  const char* ask = outbound ? "asked_out" : "asked_in";
  absl::StrAppend(
      text, "  chain ", outbound ? "out" : "in", " {\n    type filter hook ",
      outbound ? "postrouting priority srcnat + 10"
               : "prerouting priority raw",
      "; policy accept;\n    ", outbound ? "oif" : "iif",
      " \"lo\" accept\n    fib ", outbound ? "saddr" : "daddr",
      " type != local accept\n");
  for (const char* version : {"4", "6"}) {
    const char* ip = version[0] == '4' ? "ip" : "ip6";
    for (const char* protocol : {"tcp", "udp"}) {
      const std::string match =
          protocol[0] == 't' ? std::string(kOpeningSyn)
                             : absl::StrCat("udp dport < ", kFirstAnswerPort);
      const std::string key = absl::Substitute(
          "$0 $1 . meta l4proto . $2 dport", ip, end, protocol);
      // Two rules: a set that is full ends its rule.
      absl::StrAppend(
          text,
          absl::Substitute("    meta nfproto ipv$0 $1 add @$2$0 { $3 }\n",
                           version, match, set, key),
          absl::Substitute(
              "    meta nfproto ipv$0 $1 $3 != @$2$0 add @$2$0 { $3 } "
              "log prefix \"$4\" group $5 snaplen 128\n",
              version, match, ask, key, outbound ? kLogSeenOut : kLogSeenIn,
              log_group));
    }
  }
  absl::StrAppend(text, "  }\n");
}

}  // namespace

std::string ObserveText(uint16_t log_group) {
  std::string text = absl::StrCat(
      "add table inet ", kObserveTable, "\ndelete table inet ", kObserveTable,
      "\ntable inet ", kObserveTable, " {\n",
      "  comment \"Sluice: records who talks to whom, refuses nothing\"\n",
      SensorSets(Sensor()));
  for (const char* way : {"in", "out"}) {
    for (const char* version : {"4", "6"}) {
      absl::StrAppend(&text, "  set asked_", way, version, " { type ipv",
                      version, "_addr . inet_proto . inet_service; size ",
                      kMaxAttempts, "; flags dynamic,timeout; timeout 1m; }\n");
    }
  }
  AddChain(/*outbound=*/false, log_group, &text);
  AddChain(/*outbound=*/true, log_group, &text);
  return absl::StrCat(text, "}\n");
}

absl::StatusOr<ObserveReading> ReadObserved(Nft& nft, uint16_t log_group) {
  ObserveReading reading;
  bool missing = false;
  bool nearly_full = false;
  std::string flush;
  for (const std::string& text : ListSensorTexts(Options())) {
    const absl::StatusOr<std::string> json = nft.List(text);
    missing = absl::IsNotFound(json.status());
    if (missing) break;
    if (!json.ok()) return json.status();
    SLUICE_ASSIGN_OR_RETURN(const Listing set, ParseListing(*json));
    reading.counted.insert(reading.counted.end(), set.attempts.begin(),
                           set.attempts.end());
    reading.full |= set.attempts.size() >= kMaxAttempts;
    nearly_full |= set.attempts.size() >= kNearlyFull;
    // "list set inet TABLE NAME": the same of it.
    absl::StrAppend(&flush, "flush", text.substr(4), "\n");
  }
  reading.emptied = missing || nearly_full;
  if (reading.emptied) {
    SLUICE_RETURN_IF_ERROR(WithContext(
        nft.Run(missing ? ObserveText(log_group) : flush).status(),
        "recording who talks to whom"));
  }
  return reading;
}

absl::Status StopObserving(Nft& nft) {
  return nft.Run(DeleteText(Options())).status();
}

}  // namespace sluice::agent
