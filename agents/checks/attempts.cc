// attempts: none-undeclared. What this host tried to reach while it was in
// quarantine, as its fence recorded it, against what the manifest declares.
//
// A declared peer that was called is merely early. What nobody declared is a
// sign: on a host that something else commands, that something calls home. Who
// tried to come in is said and judged elsewhere, on the host that tried.

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agents/checks/check.h"
#include "common/flow.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxNamed = 3;

struct Declared {
  Protocol protocol = Protocol::kTcp;
  PortRange ports;
  Prefix server;
};

// "5432/tcp@10.77.0.11,49152-65535/tcp@fd77::11".
bool ParseDeclared(absl::string_view text, std::vector<Declared>& all) {
  for (const absl::string_view word :
       absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(word, absl::MaxSplits('@', 1));
    const std::pair<absl::string_view, absl::string_view> port =
        absl::StrSplit(halves.first, absl::MaxSplits('/', 1));
    const absl::StatusOr<Prefix> server = Prefix::Parse(halves.second);
    if (!server.ok()) return false;
    // A flow's line, so that ports are read in one place of the program.
    const absl::StatusOr<Flow> flow =
        Flow::Parse(absl::StrCat(port.second, " ", server->ToString(), " ",
                                 server->ToString(), " ", port.first));
    if (!flow.ok()) return false;
    all.push_back({flow->protocol, flow->ports, flow->server});
  }
  return true;
}

bool ParseRanges(absl::string_view text, std::vector<Prefix>& all) {
  for (const absl::string_view word :
       absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const absl::StatusOr<Prefix> range = Prefix::Parse(word);
    if (!range.ok()) return false;
    all.push_back(*range);
  }
  return true;
}

bool IsDeclared(const std::vector<Declared>& declared, const Attempt& attempt) {
  return std::any_of(declared.begin(), declared.end(),
                     [&](const Declared& one) {
                       return one.protocol == attempt.protocol &&
                              one.ports.first <= attempt.port &&
                              attempt.port <= one.ports.last &&
                              one.server.Contains(attempt.peer);
                     });
}

bool Contains(const std::vector<Prefix>& ranges, const Prefix& address) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Prefix& range) {
    return range.Contains(address);
  });
}

// What never leaves the link: name and service announcements, DHCP.
bool StaysOnTheLink(const Prefix& peer) {
  static const auto& ranges = *new std::vector<Prefix>{
      *Prefix::Parse("224.0.0.0/24"), *Prefix::Parse("255.255.255.255"),
      *Prefix::Parse("ff02::/16"), *Prefix::Parse("ff01::/16")};
  return Contains(ranges, peer);
}

std::string Times(uint64_t packets) {
  return packets == 1 ? "once" : absl::StrCat(packets, " times");
}

// "203.0.113.66 443/tcp (outside the estate, 12 times), … and 4 more".
std::string Named(std::vector<Attempt> attempts,
                  const std::vector<Prefix>& estate) {
  std::sort(attempts.begin(), attempts.end(),
            [&](const Attempt& a, const Attempt& b) {
              const bool a_inside = Contains(estate, a.peer);
              const bool b_inside = Contains(estate, b.peer);
              return std::tie(a_inside, b.packets, a) <
                     std::tie(b_inside, a.packets, b);
            });
  std::vector<std::string> named;
  for (const Attempt& attempt : attempts) {
    if (named.size() == kMaxNamed) break;
    const char* where = estate.empty()                   ? ""
                        : Contains(estate, attempt.peer) ? "in the estate, "
                                                         : "outside, ";
    named.push_back(absl::StrCat(attempt.peer.Address(), " ", attempt.port, "/",
                                 ProtocolName(attempt.protocol), " (", where,
                                 Times(attempt.packets), ")"));
  }
  std::string text = absl::StrJoin(named, ", ");
  if (attempts.size() > kMaxNamed) {
    absl::StrAppend(&text, " and ", attempts.size() - kMaxNamed, " more");
  }
  return text;
}

std::string Span(absl::Duration time) {
  return absl::FormatDuration(absl::Trunc(time, absl::Seconds(1)));
}

CheckResult Judge(const FenceReading& reading, absl::Duration now,
                  absl::Duration wanted, const std::vector<Declared>& declared,
                  const std::vector<Prefix>& estate) {
  std::vector<Attempt> undeclared;
  std::set<Prefix> early;
  std::set<Prefix> incoming;
  for (const Attempt& attempt : reading.attempts) {
    if (attempt.packets == 0) continue;
    if (!attempt.outbound) {
      incoming.insert(attempt.peer);
    } else if (IsDeclared(declared, attempt)) {
      early.insert(attempt.peer);
    } else if (!StaysOnTheLink(attempt.peer)) {
      undeclared.push_back(attempt);
    }
  }
  // A sign is a sign, however short the watch was.
  if (!undeclared.empty()) {
    return Fail(
        absl::StrCat("tried to reach ", Named(std::move(undeclared), estate)));
  }
  if (reading.mode != Mode::kQuarantined) {
    return Inconclusive("this host is not in quarantine, so nothing watches");
  }
  if (reading.sensor_full) {
    return Inconclusive(
        "the sensor is full, so it missed what came later: find what calls so "
        "many addresses");
  }
  if (!reading.watching_since.has_value()) {
    return Inconclusive("since when the sensor has watched is not known");
  }
  const absl::Duration watched = now - *reading.watching_since;
  if (watched < wanted) {
    return Inconclusive(absl::StrCat("watched for ", Span(watched), " of ",
                                     Span(wanted), "; nothing undeclared yet"));
  }
  std::string text =
      absl::StrCat("no sign found: nothing undeclared in ", Span(watched));
  if (!early.empty()) {
    absl::StrAppend(&text, "; declared and merely early: ", early.size());
  }
  if (!incoming.empty()) {
    absl::StrAppend(&text,
                    "; addresses that tried to come in: ", incoming.size());
  }
  return Pass(std::move(text));
}

}  // namespace

CheckResult CheckAttempts(const CheckSpec& spec, const CheckContext& context,
                          const Stop&) {
  if (Arg(spec, "none-undeclared") != "true") {
    return Inconclusive("attempts: only 'none-undeclared' is known");
  }
  const std::optional<absl::Duration> wanted = SpanArg(spec, "for", "60m");
  if (!wanted.has_value()) return Inconclusive("attempts: 'for' is no time");
  std::vector<Declared> declared;
  std::vector<Prefix> estate;
  if (!ParseDeclared(Arg(spec, "declared"), declared) ||
      !ParseRanges(Arg(spec, "estate"), estate)) {
    return Inconclusive("attempts: what is declared cannot be read");
  }
  if (!context.fence || !context.now) {
    return Inconclusive("this host has no sensor");
  }
  const absl::StatusOr<FenceReading> reading = context.fence();
  if (!reading.ok())
    return Inconclusive(std::string(reading.status().message()));
  return Judge(*reading, context.now(), *wanted, declared, estate);
}

}  // namespace sluice::agent
