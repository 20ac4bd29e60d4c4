#include "agents/core/state.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "common/contract.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

constexpr absl::string_view kFirstLine = "sluice agent state 1";
constexpr size_t kMaxBytes = 64 << 20;

constexpr std::pair<Grant::State, absl::string_view> kGrantStates[] = {
    {Grant::State::kClosed, "closed"},
    {Grant::State::kStanding, "standing"},
    {Grant::State::kWithdrawn, "withdrawn"},
};

absl::string_view GrantStateName(Grant::State state) {
  for (const auto& [value, name] : kGrantStates) {
    if (value == state) return name;
  }
  return "closed";
}

constexpr std::pair<Outcome, absl::string_view> kOutcomes[] = {
    {Outcome::kDone, "done"},
    {Outcome::kRefused, "refused"},
    {Outcome::kFailed, "failed"},
};

absl::string_view OutcomeName(Outcome outcome) {
  for (const auto& [value, name] : kOutcomes) {
    if (value == outcome) return name;
  }
  return "failed";
}

// Takes the text apart line by line. Anything unexpected ends the reading.
class Reader {
 public:
  explicit Reader(absl::string_view text) : rest_(text) {}

  bool StartsWith(absl::string_view key) const {
    return absl::StartsWith(rest_, absl::StrCat(key, " "));
  }
  bool at_end() const { return rest_.empty(); }

  absl::StatusOr<absl::string_view> Take(absl::string_view key) {
    const size_t end = rest_.find('\n');
    if (!StartsWith(key) || end == absl::string_view::npos) {
      return Error(absl::StrCat("it should begin with '", key, " '"));
    }
    const absl::string_view value =
        rest_.substr(key.size() + 1, end - key.size() - 1);
    rest_.remove_prefix(end + 1);
    ++line_;
    return value;
  }

  // Exactly `count` words.
  absl::StatusOr<std::vector<absl::string_view>> TakeWords(
      absl::string_view key, size_t count) {
    SLUICE_ASSIGN_OR_RETURN(const absl::string_view value, Take(key));
    std::vector<absl::string_view> words = absl::StrSplit(value, ' ');
    if (words.size() != count) {
      return Error(absl::StrCat("'", key, "' has ", count, " parts"));
    }
    return words;
  }

  absl::StatusOr<absl::string_view> TakeBytes(uint64_t count) {
    if (count > rest_.size()) return Error("a release order's body is cut");
    const absl::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

  template <typename Number>
  absl::StatusOr<Number> ToNumber(absl::string_view word) const {
    Number number = 0;
    if (!absl::SimpleAtoi(word, &number)) {
      return Error(absl::StrCat("'", word.substr(0, 20), "' is no number"));
    }
    return number;
  }

  template <typename Number>
  absl::StatusOr<Number> TakeNumber(absl::string_view key) {
    SLUICE_ASSIGN_OR_RETURN(const absl::string_view value, Take(key));
    return ToNumber<Number>(value);
  }

  absl::Status Error(absl::string_view why) const {
    return absl::DataLossError(absl::StrCat("line ", line_, ": ", why));
  }

 private:
  absl::string_view rest_;
  int line_ = 1;
};

absl::Status ReadGrants(Reader& reader, KnownRelease& release) {
  while (reader.StartsWith("grant")) {
    SLUICE_ASSIGN_OR_RETURN(const auto words, reader.TakeWords("grant", 2));
    Grant grant;
    bool known = false;
    for (const auto& [state, name] : kGrantStates) {
      if (name == words[1]) {
        grant.state = state;
        known = true;
      }
    }
    if (!known) return reader.Error("a grant is closed, standing or withdrawn");
    while (reader.StartsWith("flow")) {
      SLUICE_ASSIGN_OR_RETURN(const auto line, reader.Take("flow"));
      SLUICE_ASSIGN_OR_RETURN(Flow flow, Flow::Parse(line));
      grant.flows.push_back(flow);
    }
    release.grants[GrantId(words[0])] = std::move(grant);
  }
  return absl::OkStatus();
}

absl::Status ReadRelease(Reader& reader, AgentState& state) {
  SLUICE_ASSIGN_OR_RETURN(const auto words, reader.TakeWords("release", 4));
  KnownRelease release;
  release.round = std::string(words[0]);
  release.evidence_digest = std::string(words[1]);
  SLUICE_ASSIGN_OR_RETURN(const int64_t frozen,
                          reader.ToNumber<int64_t>(words[2]));
  release.frozen_at = absl::Nanoseconds(frozen);
  SLUICE_ASSIGN_OR_RETURN(const uint64_t size,
                          reader.ToNumber<uint64_t>(words[3]));
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view body, reader.TakeBytes(size));
  SLUICE_ASSIGN_OR_RETURN(release.order, ReleaseOrder::Parse(body));
  if (release.order.Find(state.host) == nullptr) {
    return reader.Error("a release order does not name this host");
  }
  SLUICE_RETURN_IF_ERROR(ReadGrants(reader, release));
  state.releases[Sha256(body)] = std::move(release);
  return absl::OkStatus();
}

// A text of several lines, with its length in front.
absl::StatusOr<std::string> ReadText(Reader& reader, absl::string_view size) {
  SLUICE_ASSIGN_OR_RETURN(const uint64_t count,
                          reader.ToNumber<uint64_t>(size));
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view bytes,
                          reader.TakeBytes(count));
  return std::string(bytes);
}

absl::Status ReadTrust(Reader& reader, AgentState& state) {
  if (reader.StartsWith("rotation")) {
    SLUICE_ASSIGN_OR_RETURN(const auto size, reader.Take("rotation"));
    SLUICE_ASSIGN_OR_RETURN(state.rotation, ReadText(reader, size));
  }
  while (reader.StartsWith("delegation")) {
    SLUICE_ASSIGN_OR_RETURN(const auto words,
                            reader.TakeWords("delegation", 5));
    SeenDelegation seen;
    SLUICE_ASSIGN_OR_RETURN(const int64_t at,
                            reader.ToNumber<int64_t>(words[1]));
    seen.seen_at = absl::Nanoseconds(at);
    seen.spent = words[2] == "spent";
    seen.key = std::string(words[3]);
    SLUICE_ASSIGN_OR_RETURN(seen.text, ReadText(reader, words[4]));
    state.delegations[OperatorId(words[0])] = std::move(seen);
  }
  return absl::OkStatus();
}

absl::Status ReadGlass(Reader& reader, AgentState& state) {
  SLUICE_ASSIGN_OR_RETURN(const auto words, reader.TakeWords("glass", 4));
  BrokenGlass glass;
  glass.in_force = words[0] == "in-force";
  glass.noted = words[1] == "noted";
  SLUICE_ASSIGN_OR_RETURN(glass.text, ReadText(reader, words[2]));
  SLUICE_ASSIGN_OR_RETURN(glass.signature, ReadText(reader, words[3]));
  SLUICE_RETURN_IF_ERROR(reader.Take("stands").status());
  while (reader.StartsWith("flow")) {
    SLUICE_ASSIGN_OR_RETURN(const auto line, reader.Take("flow"));
    SLUICE_ASSIGN_OR_RETURN(const Flow flow, Flow::Parse(line));
    glass.flows.push_back(flow);
  }
  state.glass.push_back(std::move(glass));
  return absl::OkStatus();
}

// Any bytes as one word: what may not stand in one is "%" and two hex digits.
std::string Word(absl::string_view text) {
  constexpr absl::string_view kHex = "0123456789abcdef";
  std::string word = text.empty() ? "%" : "";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte < 0x7f && c != '%') {
      word += c;
    } else {
      word += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return word;
}

// What Word() did not write comes out as something that it writes otherwise,
// so that the state's text does not fit.
std::string Unword(absl::string_view word) {
  std::string text;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '%' && i + 2 < word.size()) {
      text += absl::HexStringToBytes(word.substr(i + 1, 2));
      i += 2;
    } else if (word[i] != '%') {
      text += word[i];
    }
  }
  return text;
}

int64_t Ms(absl::Time time) {
  return time == absl::InfinitePast() ? 0 : absl::ToUnixMillis(time);
}

absl::Time TimeOf(int64_t ms) {
  return ms == 0 ? absl::InfinitePast() : absl::FromUnixMillis(ms);
}

constexpr size_t kSightingWords = 7;

std::string SightingWords(const Sighting& one) {
  return absl::StrCat(one.times, " ", Ms(one.first), " ", Ms(one.last), " ",
                      Word(one.process.command), " ", one.process.id, " ",
                      Word(one.process.unit), " ", Word(one.process.user));
}

absl::StatusOr<Sighting> ReadSighting(
    const Reader& reader, absl::Span<const absl::string_view> words) {
  Sighting one;
  SLUICE_ASSIGN_OR_RETURN(one.times, reader.ToNumber<uint64_t>(words[0]));
  SLUICE_ASSIGN_OR_RETURN(const int64_t first,
                          reader.ToNumber<int64_t>(words[1]));
  SLUICE_ASSIGN_OR_RETURN(const int64_t last,
                          reader.ToNumber<int64_t>(words[2]));
  one.first = TimeOf(first);
  one.last = TimeOf(last);
  one.process.command = Unword(words[3]);
  SLUICE_ASSIGN_OR_RETURN(one.process.id, reader.ToNumber<int>(words[4]));
  one.process.unit = Unword(words[5]);
  one.process.user = Unword(words[6]);
  return one;
}

absl::StatusOr<std::shared_ptr<const SensorPast>> ReadPast(Reader& reader) {
  SensorPast past;
  SLUICE_ASSIGN_OR_RETURN(const auto head, reader.TakeWords("sensor", 3));
  SLUICE_ASSIGN_OR_RETURN(past.times, reader.ToNumber<uint64_t>(head[0]));
  past.peers_full = head[1] == "full";
  past.held.names_full = head[2] == "full";
  while (reader.StartsWith("begun")) {
    SLUICE_ASSIGN_OR_RETURN(const auto words, reader.TakeWords("begun", 5));
    SensorPast::Begun one;
    one.act = std::string(words[0]);
    SLUICE_ASSIGN_OR_RETURN(one.quarantine_number,
                            reader.ToNumber<uint64_t>(words[1]));
    SLUICE_ASSIGN_OR_RETURN(const int64_t at,
                            reader.ToNumber<int64_t>(words[2]));
    one.at = TimeOf(at);
    one.done = words[3] == "done";
    one.reason = Unword(words[4]);
    past.begun.push_back(std::move(one));
  }
  while (reader.StartsWith("held")) {
    SLUICE_ASSIGN_OR_RETURN(const auto words,
                            reader.TakeWords("held", 4 + kSightingWords));
    PeerKey key;
    key.outbound = words[0] == "out";
    key.protocol = words[1] == "udp" ? Protocol::kUdp : Protocol::kTcp;
    SLUICE_ASSIGN_OR_RETURN(key.peer, Prefix::Parse(words[2]));
    SLUICE_ASSIGN_OR_RETURN(const int port, reader.ToNumber<int>(words[3]));
    key.port = static_cast<uint16_t>(port);
    SLUICE_ASSIGN_OR_RETURN(
        past.held.peers[key],
        ReadSighting(reader, absl::MakeConstSpan(words).subspan(4)));
  }
  while (reader.StartsWith("asked")) {
    SLUICE_ASSIGN_OR_RETURN(const auto words,
                            reader.TakeWords("asked", 1 + kSightingWords));
    SLUICE_ASSIGN_OR_RETURN(
        past.held.names[Unword(words[0])],
        ReadSighting(reader, absl::MakeConstSpan(words).subspan(1)));
  }
  return std::make_shared<const SensorPast>(std::move(past));
}

std::string PastText(const SensorPast& past) {
  const auto full = [](bool is) { return is ? "full" : "all"; };
  std::string text =
      absl::StrCat("sensor ", past.times, " ", full(past.peers_full), " ",
                   full(past.held.names_full), "\n");
  for (const SensorPast::Begun& one : past.begun) {
    absl::StrAppend(&text, "begun ", one.act, " ", one.quarantine_number, " ",
                    Ms(one.at), " ", one.done ? "done" : "perhaps", " ",
                    Word(one.reason), "\n");
  }
  for (const auto& [key, one] : past.held.peers) {
    absl::StrAppend(&text, "held ", key.outbound ? "out" : "in", " ",
                    ProtocolName(key.protocol), " ", key.peer.ToString(), " ",
                    key.port, " ", SightingWords(one), "\n");
  }
  for (const auto& [name, one] : past.held.names) {
    absl::StrAppend(&text, "asked ", Word(name), " ", SightingWords(one), "\n");
  }
  return text;
}

absl::Status ReadAnswer(Reader& reader, AgentState& state) {
  SLUICE_ASSIGN_OR_RETURN(const absl::string_view value, reader.Take("answer"));
  const std::vector<absl::string_view> parts =
      absl::StrSplit(value, absl::MaxSplits(' ', 2));
  if (parts.size() != 3) return reader.Error("an answer has three parts");
  SavedAnswer answer;
  answer.order = OrderId(parts[0]);
  answer.reason = std::string(parts[2]);
  for (const auto& [outcome, name] : kOutcomes) {
    if (name == parts[1]) answer.outcome = outcome;
  }
  state.answers.push_back(std::move(answer));
  return absl::OkStatus();
}

absl::Status ReadHead(Reader& reader, AgentState& state) {
  SLUICE_ASSIGN_OR_RETURN(state.serial, reader.TakeNumber<uint64_t>("serial"));
  SLUICE_ASSIGN_OR_RETURN(const auto estate, reader.Take("estate"));
  SLUICE_ASSIGN_OR_RETURN(const auto host, reader.Take("host"));
  SLUICE_ASSIGN_OR_RETURN(const auto boot, reader.Take("boot"));
  SLUICE_ASSIGN_OR_RETURN(const auto mode, reader.Take("mode"));
  SLUICE_ASSIGN_OR_RETURN(state.quarantine_number,
                          reader.TakeNumber<uint64_t>("quarantine-number"));
  SLUICE_ASSIGN_OR_RETURN(const auto reason, reader.Take("reason"));
  SLUICE_ASSIGN_OR_RETURN(const auto epoch, reader.TakeWords("epoch", 2));
  SLUICE_ASSIGN_OR_RETURN(state.epoch, reader.ToNumber<uint64_t>(epoch[0]));
  state.estate = EstateId(estate);
  state.host = HostId(host);
  state.boot_id = std::string(boot);
  state.mode = mode == "open" ? Mode::kOpen : Mode::kQuarantined;
  state.reason = std::string(reason);
  state.instance = std::string(epoch[1]);
  return absl::OkStatus();
}

}  // namespace

const ReleaseOrder::Host& KnownRelease::host(const HostId& id) const {
  const ReleaseOrder::Host* found = order.Find(id);
  SLUICE_CHECK(found != nullptr);
  return *found;
}

bool KnownRelease::HasAny(Grant::State state) const {
  for (const auto& [name, grant] : grants) {
    if (grant.state == state) return true;
  }
  return false;
}

std::string AgentState::Encode() const {
  std::string text =
      absl::StrCat(kFirstLine, "\nserial ", serial, "\nestate ", estate.str(),
                   "\nhost ", host.str(), "\nboot ", boot_id, "\nmode ",
                   mode == Mode::kOpen ? "open" : "quarantined",
                   "\nquarantine-number ", quarantine_number, "\nreason ",
                   reason, "\nepoch ", epoch, " ", instance, "\n");
  for (const auto& [round, frozen] : evidence) {
    absl::StrAppend(&text, "evidence ", round, " ", frozen.digest, " ",
                    absl::ToInt64Nanoseconds(frozen.frozen_at), "\n");
  }
  for (const auto& [peer, at] : shut_peers) {
    absl::StrAppend(&text, "shut ", peer.ToString(), " ",
                    absl::ToInt64Nanoseconds(at), "\n");
  }
  if (!rotation.empty()) {
    absl::StrAppend(&text, "rotation ", rotation.size(), "\n", rotation);
  }
  for (const auto& [delegator, seen] : delegations) {
    absl::StrAppend(&text, "delegation ", delegator.str(), " ",
                    absl::ToInt64Nanoseconds(seen.seen_at), " ",
                    seen.spent ? "spent" : "counts", " ", seen.key, " ",
                    seen.text.size(),
                    "\n", seen.text);
  }
  for (const BrokenGlass& one : glass) {
    absl::StrAppend(&text, "glass ", one.in_force ? "in-force" : "over", " ",
                    one.noted ? "noted" : "unsaid", " ", one.text.size(), " ",
                    one.signature.size(), "\n", one.text, one.signature,
                    "stands ", one.flows.size(), "\n");
    for (const Flow& flow : one.flows) {
      absl::StrAppend(&text, "flow ", flow.Line(), "\n");
    }
  }
  if (past != nullptr) absl::StrAppend(&text, PastText(*past));
  for (const auto& [digest, release] : releases) {
    const std::string body = release.order.Body();
    absl::StrAppend(&text, "release ", release.round, " ",
                    release.evidence_digest, " ",
                    absl::ToInt64Nanoseconds(release.frozen_at), " ",
                    body.size(), "\n", body);
    for (const auto& [name, grant] : release.grants) {
      absl::StrAppend(&text, "grant ", name.str(), " ",
                      GrantStateName(grant.state), "\n");
      for (const Flow& flow : grant.flows) {
        absl::StrAppend(&text, "flow ", flow.Line(), "\n");
      }
    }
  }
  for (const SavedAnswer& answer : answers) {
    absl::StrAppend(&text, "answer ", answer.order.str(), " ",
                    OutcomeName(answer.outcome), " ", answer.reason, "\n");
  }
  absl::StrAppend(&text, "digest ", Sha256(text), "\n");
  return text;
}

absl::StatusOr<AgentState> AgentState::Decode(absl::string_view text) {
  if (text.size() > kMaxBytes) {
    return absl::DataLossError("more than 64 MiB, which no state has");
  }
  if (!absl::StartsWith(text, absl::StrCat(kFirstLine, "\n"))) {
    return absl::DataLossError(
        absl::StrCat("line 1: it should be '", kFirstLine, "'"));
  }
  Reader reader(text);
  SLUICE_RETURN_IF_ERROR(reader.Take("sluice").status());
  AgentState state;
  SLUICE_RETURN_IF_ERROR(ReadHead(reader, state));
  while (reader.StartsWith("evidence")) {
    SLUICE_ASSIGN_OR_RETURN(const auto words, reader.TakeWords("evidence", 3));
    SLUICE_ASSIGN_OR_RETURN(const int64_t at,
                            reader.ToNumber<int64_t>(words[2]));
    state.evidence[std::string(words[0])] = {std::string(words[1]),
                                             absl::Nanoseconds(at)};
  }
  while (reader.StartsWith("shut")) {
    SLUICE_ASSIGN_OR_RETURN(const auto words, reader.TakeWords("shut", 2));
    SLUICE_ASSIGN_OR_RETURN(const Prefix peer, Prefix::Parse(words[0]));
    SLUICE_ASSIGN_OR_RETURN(const int64_t at,
                            reader.ToNumber<int64_t>(words[1]));
    state.shut_peers[peer] = absl::Nanoseconds(at);
  }
  SLUICE_RETURN_IF_ERROR(ReadTrust(reader, state));
  while (reader.StartsWith("glass")) {
    SLUICE_RETURN_IF_ERROR(ReadGlass(reader, state));
  }
  if (reader.StartsWith("sensor")) {
    SLUICE_ASSIGN_OR_RETURN(state.past, ReadPast(reader));
  }
  while (reader.StartsWith("release")) {
    SLUICE_RETURN_IF_ERROR(ReadRelease(reader, state));
  }
  while (reader.StartsWith("answer")) {
    SLUICE_RETURN_IF_ERROR(ReadAnswer(reader, state));
  }
  SLUICE_RETURN_IF_ERROR(reader.Take("digest").status());
  if (!reader.at_end()) return reader.Error("nothing follows the digest");
  // One text a state: whatever was misread above, and any changed byte, shows
  // here, the digest line among them.
  if (state.Encode() != text) {
    return absl::DataLossError(
        "its digest does not fit: it was changed or cut");
  }
  return state;
}

std::string OneLine(absl::string_view text, size_t limit) {
  std::string line;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    size_t length = byte < 0x80                   ? 1
                    : byte >= 0xf0 && byte < 0xf5 ? 4
                    : byte >= 0xe0 && byte < 0xf0 ? 3
                    : byte >= 0xc2 && byte < 0xe0 ? 2
                                                  : 0;
    uint32_t code =
        length == 0 ? 0 : byte & (length == 1 ? 0x7f : 0x7f >> length);
    for (size_t k = 1; k < length; ++k) {
      if (i + k >= text.size() ||
          (static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) {
        length = 0;
        break;
      }
      code = code << 6 | (text[i + k] & 0x3f);
    }
    // Over-long forms, surrogates and what lies beyond Unicode.
    if ((length == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) ||
        (length == 4 && (code < 0x10000 || code > 0x10ffff))) {
      length = 0;
    }
    const size_t taken = length == 0 ? 1 : length;
    if (line.size() + taken > limit) break;
    if (length == 0) {
      line += '?';
    } else if (length == 1 && (byte < ' ' || byte == 0x7f)) {
      line += ' ';
    } else if (length == 2 && code < 0xa0) {
      line += ' ';  // C1 controls move a terminal's cursor too
    } else {
      absl::StrAppend(&line, text.substr(i, length));
    }
    i += taken;
  }
  absl::StripAsciiWhitespace(&line);
  return line;
}

bool IsName(absl::string_view text) {
  if (text.empty() || text.size() > 256) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7f) return false;
  }
  return true;
}

}  // namespace sluice::agent
