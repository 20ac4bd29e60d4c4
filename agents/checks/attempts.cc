// attempts: none-undeclared. What this host tried to reach while it was in
// quarantine, as its fence recorded it, against what the manifest declares.
//
// A declared peer that was called is merely early. What nobody declared is a
// sign: on a host that something else commands, that something calls home. Who
// tried to come in is said and judged elsewhere, on the host that tried. All of
// it, with who it was and when, goes line by line into the host's evidence.

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
constexpr size_t kMaxLines = 40;        // of evidence, of each kind
constexpr size_t kMaxLinesBefore = 16;  // the same, of what was before
// What of a verdict reaches people; its end is cut off.
constexpr size_t kMaxReason = 390;

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

std::string Port(const Attempt& attempt) {
  return absl::StrCat(attempt.port, "/", ProtocolName(attempt.protocol));
}

std::string By(const Sighting* sighting) {
  return sighting == nullptr || !sighting->process.known()
             ? ""
             : absl::StrCat(", by ", sighting->process.Text());
}

const Sighting* NoteOf(const SensorNotes& notes, const Attempt& attempt) {
  const auto at = notes.peers.find(KeyOf(attempt));
  return at == notes.peers.end() ? nullptr : &at->second;
}

// Outside first, then by how often.
void Sort(const std::vector<Prefix>& estate, std::vector<Attempt>& attempts) {
  std::sort(attempts.begin(), attempts.end(),
            [&](const Attempt& a, const Attempt& b) {
              const bool a_inside = Contains(estate, a.peer);
              const bool b_inside = Contains(estate, b.peer);
              return std::tie(a_inside, b.packets, a) <
                     std::tie(b_inside, a.packets, b);
            });
}

// "203.0.113.66 443/tcp (outside, 12 times, by curl, user root), … and 4 more".
// REQUIRES: sorted.
std::string Named(const std::vector<Attempt>& attempts,
                  const std::vector<Prefix>& estate, const SensorNotes& notes,
                  size_t most = kMaxNamed) {
  std::vector<std::string> named;
  for (const Attempt& attempt : attempts) {
    if (named.size() == most) break;
    const char* where = estate.empty()                   ? ""
                        : Contains(estate, attempt.peer) ? "in the estate, "
                                                         : "outside, ";
    named.push_back(absl::StrCat(attempt.peer.Address(), " ", Port(attempt),
                                 " (", where, Times(attempt.packets),
                                 By(NoteOf(notes, attempt)), ")"));
  }
  std::string text = absl::StrJoin(named, ", ");
  if (attempts.size() > most) {
    absl::StrAppend(&text, " and ", attempts.size() - most, " more");
  }
  return text;
}

// "update.example (4 times), … and 2 more".
std::string Names(const std::map<std::string, Sighting>& names) {
  std::vector<std::pair<uint64_t, std::string>> sorted;
  for (const auto& [name, seen] : names) sorted.emplace_back(seen.times, name);
  std::sort(sorted.rbegin(), sorted.rend());
  std::vector<std::string> named;
  for (const auto& [times, name] : sorted) {
    if (named.size() == kMaxNamed) break;
    named.push_back(absl::StrCat(name, " (", Times(times), ")"));
  }
  std::string text = absl::StrJoin(named, ", ");
  if (sorted.size() > kMaxNamed) {
    absl::StrAppend(&text, " and ", sorted.size() - kMaxNamed, " more");
  }
  return text;
}

std::string Clock(absl::Time time) {
  return absl::FormatTime("%m-%d %H:%M:%S", time, absl::UTCTimeZone());
}

// ", from 11-22 05:10:11 to 11-22 05:20:02 UTC": by this host's clock.
std::string When(const Sighting* sighting) {
  if (sighting == nullptr || sighting->last == absl::InfinitePast()) return "";
  return sighting->first == sighting->last
             ? absl::StrCat(", at ", Clock(sighting->last), " UTC")
             : absl::StrCat(", from ", Clock(sighting->first), " to ",
                            Clock(sighting->last), " UTC");
}

class Lines {
 public:
  explicit Lines(const SensorNotes& notes, size_t most = kMaxLines)
      : notes_(notes), most_(most) {}

  void Say(std::string line) { lines_.push_back(std::move(line)); }
  void Add(absl::string_view what, const std::vector<Attempt>& attempts) {
    for (size_t i = 0; i < attempts.size() && i < most_; ++i) {
      const Attempt& attempt = attempts[i];
      const Sighting* note = NoteOf(notes_, attempt);
      lines_.push_back(absl::StrCat(what, " ", attempt.peer.Address(), " ",
                                    Port(attempt), ", ", Times(attempt.packets),
                                    When(note), By(note)));
    }
    More(what, attempts.size());
  }
  void AddNames() {
    size_t added = 0;
    for (const auto& [name, seen] : notes_.names) {
      if (added++ == most_) break;
      lines_.push_back(absl::StrCat("name asked for: ", name, ", ",
                                    Times(seen.times), When(&seen), By(&seen)));
    }
    More("name asked for:", notes_.names.size());
    if (notes_.names_full) {
      lines_.push_back("name asked for: some more, there was no room for them");
    }
  }
  std::vector<std::string> Take() { return std::move(lines_); }

 private:
  void More(absl::string_view what, size_t all) {
    if (all <= most_) return;
    lines_.push_back(absl::StrCat(what, " ", all - most_, " more"));
  }

  const SensorNotes& notes_;
  const size_t most_;
  std::vector<std::string> lines_;
};

std::string Span(absl::Duration time) {
  return absl::FormatDuration(absl::Trunc(time, absl::Seconds(1)));
}

struct Kinds {
  std::vector<Attempt> outside;  // nobody declared, nobody of the estate
  std::vector<Attempt> estate;   // of the estate, nobody declared
  std::vector<Attempt> early;    // declared
  std::vector<Attempt> incoming;
};

size_t Peers(const std::vector<Attempt>& attempts) {
  std::set<Prefix> peers;
  for (const Attempt& attempt : attempts) peers.insert(attempt.peer);
  return peers.size();
}

Kinds SortOut(const std::vector<Attempt>& attempts,
              const std::vector<Declared>& declared,
              const std::vector<Prefix>& estate) {
  Kinds kinds;
  for (const Attempt& attempt : attempts) {
    if (attempt.packets == 0) continue;
    if (!attempt.outbound) {
      kinds.incoming.push_back(attempt);
    } else if (IsDeclared(declared, attempt)) {
      kinds.early.push_back(attempt);
    } else if (Contains(estate, attempt.peer)) {
      kinds.estate.push_back(attempt);
    } else if (!StaysOnTheLink(attempt.peer)) {
      kinds.outside.push_back(attempt);
    }
  }
  for (auto* kind :
       {&kinds.outside, &kinds.estate, &kinds.early, &kinds.incoming}) {
    Sort(estate, *kind);
  }
  return kinds;
}

std::vector<Attempt> Undeclared(const Kinds& kinds) {
  std::vector<Attempt> all = kinds.outside;
  all.insert(all.end(), kinds.estate.begin(), kinds.estate.end());
  return all;
}

// What the sensor held before a person had it begin anew. It is judged as what
// it holds now is, and hidden by nothing (S9).
class Before {
 public:
  Before(const SensorPast* past, const std::vector<Declared>& declared,
         const std::vector<Prefix>& estate)
      : past_(past), estate_(estate) {
    if (past == nullptr) return;
    std::vector<Attempt> attempts;
    for (const auto& [key, seen] : past->held.peers) {
      attempts.push_back(
          {key.outbound, key.protocol, key.peer, key.port, seen.times});
    }
    kinds_ = SortOut(attempts, declared, estate);
  }

  // "; before its sensor was begun anew at 11-22 10:41:03 UTC, 2 undeclared
  // addresses, the last 203.0.113.66 443/tcp (outside, 12 times)". Empty: it
  // never was.
  std::string Clause() const {
    if (past_ == nullptr || past_->begun.empty()) return "";
    const std::vector<Attempt> undeclared = Undeclared(kinds_);
    if (undeclared.empty() && !past_->peers_full) {
      return absl::StrCat("; its sensor ", Begun(),
                          ", with nothing undeclared before");
    }
    const std::string count = absl::StrCat(
        past_->peers_full ? "at least " : "", Peers(undeclared), " undeclared ",
        Peers(undeclared) == 1 ? "address" : "addresses");
    if (undeclared.empty()) {
      return absl::StrCat("; before its sensor ", Begun(), ", ", count);
    }
    const Attempt last =
        *std::max_element(undeclared.begin(), undeclared.end(),
                          [&](const Attempt& a, const Attempt& b) {
                            return std::pair(NoteOf(past_->held, a)->last, a) <
                                   std::pair(NoteOf(past_->held, b)->last, b);
                          });
    return absl::StrCat("; before its sensor ", Begun(), ", ", count,
                        ", the last ", Named({last}, estate_, SensorNotes()));
  }

  std::vector<std::string> TakeLines() const {
    if (past_ == nullptr) return {};
    Lines lines(past_->held, kMaxLinesBefore);
    if (past_->times > past_->begun.size()) {
      lines.Say(absl::StrCat(
          "sensor begun anew: ", Times(past_->times - past_->begun.size()),
          " before these"));
    }
    for (const SensorPast::Begun& one : past_->begun) {
      lines.Say(absl::StrCat("sensor ", one.done ? "" : "perhaps ",
                             "begun anew", At(one), ", in quarantine ",
                             one.quarantine_number, ": ", one.reason));
    }
    lines.Add("before, undeclared, outside:", kinds_.outside);
    lines.Add("before, undeclared, in the estate:", kinds_.estate);
    for (const auto& [what, attempts] :
         {std::pair("declared, merely early", &kinds_.early),
          std::pair("tried to come in", &kinds_.incoming)}) {
      if (attempts->empty()) continue;
      const size_t peers = Peers(*attempts);
      lines.Say(absl::StrCat("before, ", what, ": ", peers,
                             peers == 1 ? " address" : " addresses"));
    }
    if (!past_->held.names.empty()) {
      lines.Say(
          absl::StrCat("before, names asked for: ", Names(past_->held.names)));
    }
    if (past_->peers_full || past_->held.names_full) {
      lines.Say("before: some more, there was no room for them");
    }
    return lines.Take();
  }

 private:
  static std::string At(const SensorPast::Begun& one) {
    return one.at == absl::InfinitePast()
               ? ""
               : absl::StrCat(" at ", Clock(one.at), " UTC");
  }
  std::string Begun() const {
    const SensorPast::Begun& last = past_->begun.back();
    return absl::StrCat("was ", last.done ? "" : "perhaps ", "begun anew",
                        past_->times == 1
                            ? ""
                            : absl::StrCat(" ", past_->times, " times, last"),
                        At(last));
  }

  const SensorPast* const past_;
  const std::vector<Prefix>& estate_;
  Kinds kinds_;
};

// REQUIRES: each kind is sorted.
CheckResult Judge(const FenceReading& reading, absl::Duration now,
                  absl::Duration wanted, const Kinds& kinds,
                  const std::vector<Prefix>& estate, const SensorNotes& notes,
                  const std::string& before) {
  const std::vector<Attempt> undeclared = Undeclared(kinds);
  const std::string names =
      notes.names.empty()
          ? ""
          : absl::StrCat("; names it asked for: ", Names(notes.names));
  // A sign is a sign, however short the watch was.
  if (!undeclared.empty()) {
    const auto naming = [&](size_t most) {
      return absl::StrCat("tried to reach ",
                          Named(undeclared, estate, notes, most), before);
    };
    size_t most = kMaxNamed;
    std::string text = naming(most);
    // What was before is not what is cut off.
    while (!before.empty() && text.size() > kMaxReason && most > 1) {
      text = naming(--most);
    }
    return Fail(absl::StrCat(text, names));
  }
  if (reading.mode != Mode::kQuarantined) {
    return Inconclusive(absl::StrCat(
        "this host is not in quarantine, so nothing watches", before));
  }
  if (reading.sensor_full) {
    return Inconclusive(absl::StrCat(
        "the sensor is full, so it missed what came later: find what calls so "
        "many addresses",
        before));
  }
  if (!reading.watching_since.has_value()) {
    return Inconclusive(
        absl::StrCat("since when the sensor has watched is not known", before));
  }
  const absl::Duration watched = now - *reading.watching_since;
  if (watched < wanted) {
    return Inconclusive(absl::StrCat("watched for ", Span(watched), " of ",
                                     Span(wanted), "; nothing undeclared yet",
                                     before, names));
  }
  std::string text = absl::StrCat("no sign found: nothing undeclared in ",
                                  Span(watched), before);
  if (!kinds.early.empty()) {
    absl::StrAppend(&text,
                    "; declared and merely early: ", Peers(kinds.early));
  }
  if (!kinds.incoming.empty()) {
    absl::StrAppend(
        &text, "; addresses that tried to come in: ", Peers(kinds.incoming));
  }
  return Pass(absl::StrCat(text, names));
}

CheckResult JudgeInFull(const FenceReading& reading, absl::Duration now,
                        absl::Duration wanted,
                        const std::vector<Declared>& declared,
                        const std::vector<Prefix>& estate,
                        const SensorNotes& notes, const SensorPast* past) {
  const Kinds kinds = SortOut(reading.attempts, declared, estate);
  const Before before(past, declared, estate);
  Lines lines(notes);
  for (const auto& [what, attempts] :
       {std::pair("undeclared, outside:", &kinds.outside),
        std::pair("undeclared, in the estate:", &kinds.estate),
        std::pair("declared, merely early:", &kinds.early),
        std::pair("tried to come in:", &kinds.incoming)}) {
    lines.Add(what, *attempts);
  }
  lines.AddNames();
  CheckResult result =
      Judge(reading, now, wanted, kinds, estate, notes, before.Clause());
  result.details = lines.Take();
  for (std::string& line : before.TakeLines()) {
    result.details.push_back(std::move(line));
  }
  return result;
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
  return JudgeInFull(*reading, context.now(), *wanted, declared, estate,
                     context.sensor ? context.sensor() : SensorNotes(),
                     context.past.get());
}

}  // namespace sluice::agent
