#include "agents/host/sightings.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/digest.h"

namespace sluice::agent {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr absl::Duration kDateWatchedEvery = absl::Minutes(10);

absl::Status Unreadable() {
  return absl::DataLossError(
      "what this host's network was seen to do cannot be read any more; it is "
      "recorded anew");
}

// The entry, unless there is no room for one more.
template <class Map, class Key>
Sighting* Find(Map& map, const Key& key, size_t most, bool* full) {
  if (const auto at = map.find(key); at != map.end()) return &at->second;
  if (map.size() >= most) {
    *full = true;
    return nullptr;
  }
  return &map[key];
}

// The kernel's counter began anew, or went on.
uint64_t Grown(uint64_t before, uint64_t now) {
  return now < before ? now : now - before;
}

int64_t Ms(absl::Time time) { return absl::ToUnixMillis(time); }

Json ToJson(const Sighting& sighting) {
  return Json::array({sighting.times, Ms(sighting.first), Ms(sighting.last),
                      sighting.process.command, sighting.process.id,
                      sighting.process.unit, sighting.process.user});
}

Sighting ToSighting(const Json& json) {
  Sighting sighting;
  sighting.times = json.at(0).get<uint64_t>();
  sighting.first = absl::FromUnixMillis(json.at(1).get<int64_t>());
  sighting.last = absl::FromUnixMillis(json.at(2).get<int64_t>());
  sighting.process = {json.at(3).get<std::string>(), json.at(4).get<int>(),
                      json.at(5).get<std::string>(),
                      json.at(6).get<std::string>()};
  return sighting;
}

Json ToJson(const PeerKey& key) {
  return Json::array({key.outbound, std::string(ProtocolName(key.protocol)),
                      key.peer.ToString(), key.port});
}

PeerKey ToKey(const Json& json) {
  PeerKey key;
  key.outbound = json.at(0).get<bool>();
  key.protocol = json.at(1) == "udp" ? Protocol::kUdp : Protocol::kTcp;
  const auto peer = Prefix::Parse(json.at(2).get<std::string>());
  if (!peer.ok()) throw Json::other_error::create(500, "address", nullptr);
  key.peer = *peer;
  key.port = json.at(3).get<uint16_t>();
  return key;
}

}  // namespace

bool Sightings::Saw(const LoggedPacket& packet, const Process& process,
                    absl::Time now) {
  const bool inbound = packet.what == kLogSeenIn;
  const bool refused = packet.what == kLogRefused || packet.what == kLogName;
  if (!refused && !inbound && packet.what != kLogSeenOut) return false;
  const PeerKey key{!inbound, packet.protocol,
                    inbound ? packet.source : packet.destination,
                    packet.destination_port};
  const std::lock_guard lock(mutex_);
  ++version_;
  bool news = false;
  const auto note = [&](Sighting* sighting) {
    news |= sighting->last == absl::InfinitePast() ||
            (process.known() && sighting->process.command.empty());
    sighting->At(now);
    if (process.known()) sighting->process = process;
  };
  // Counted by the kernel's sets, or left out by them.
  auto& peers = refused ? state_.seen.refused : state_.seen.passed;
  if (Sighting* peer = Find(peers, key, kMaxPeers, &state_.seen.full)) {
    note(peer);
  }
  const std::string name =
      packet.what == kLogName ? QuestionOf(packet.payload) : "";
  if (!name.empty()) {
    if (Sighting* asked =
            Find(state_.names, name, kMaxNames, &state_.names_full)) {
      note(asked);
      ++asked->times;
    }
  }
  if (news) ++news_;
  return news;
}

void Sightings::Saw(const FenceReading& fence,
                    std::optional<absl::Duration> watched, absl::Time now) {
  const std::lock_guard lock(mutex_);
  const bool quarantined = fence.mode == Mode::kQuarantined;
  if (quarantined != state_.quarantined) ++news_;
  state_.quarantined = quarantined;
  state_.watched = watched.value_or(absl::ZeroDuration());
  // That it has watched for longer is worth writing down now and then.
  if (quarantined && (state_.watched < dated_ ||
                      state_.watched - dated_ >= kDateWatchedEvery)) {
    dated_ = state_.watched;
    ++version_;
  }
  if (!quarantined) {
    state_.names.clear();
    state_.names_full = false;
    return;  // what was refused stays, for the draft
  }
  std::map<PeerKey, Sighting> refused;
  for (const Attempt& attempt : fence.attempts) {
    const PeerKey key{attempt.outbound, attempt.protocol, attempt.peer,
                      attempt.port};
    if (refused.size() >= kMaxPeers) {
      state_.seen.full = true;
      break;
    }
    Sighting& sighting = refused[key];
    if (const auto at = state_.seen.refused.find(key);
        at != state_.seen.refused.end()) {
      sighting = std::move(at->second);
    }
    if (sighting.times == attempt.packets) continue;
    if (sighting.times == 0) ++news_;
    sighting.times = attempt.packets;
    sighting.At(now);
    ++version_;
  }
  state_.seen.refused = std::move(refused);
}

void Sightings::Saw(const ObserveReading& reading, absl::Time now) {
  const std::lock_guard lock(mutex_);
  state_.seen.since = std::min(state_.seen.since, now);
  state_.seen.until = now;
  state_.seen.full |= reading.full;
  std::map<PeerKey, uint64_t> counted;
  for (const Attempt& one : reading.counted) {
    const PeerKey key{one.outbound, one.protocol, one.peer, one.port};
    const auto at = state_.counted.find(key);
    const uint64_t before = at == state_.counted.end() ? 0 : at->second;
    counted[key] = one.packets;
    if (one.packets == before) continue;
    Sighting* peer =
        Find(state_.seen.passed, key, kMaxPeers, &state_.seen.full);
    if (peer == nullptr) continue;
    if (peer->times == 0) ++news_;
    peer->times += Grown(before, one.packets);
    peer->At(now);
    ++version_;
  }
  state_.counted.clear();
  if (!reading.emptied) state_.counted = std::move(counted);
}

void Sightings::Saw(const std::vector<Listening>& listening, absl::Time now) {
  const std::lock_guard lock(mutex_);
  for (const Listening& one : listening) {
    Sighting* listener = Find(state_.seen.listeners, one.key, kMaxListeners,
                              &state_.seen.full);
    if (listener == nullptr) continue;
    if (listener->times == 0 || listener->process.unit != one.process.unit ||
        listener->process.command != one.process.command) {
      ++news_;
    }
    ++version_;
    listener->times = 1;
    listener->At(now);
    if (one.process.known()) listener->process = one.process;
  }
}

SensorNotes Sightings::notes() const {
  const std::lock_guard lock(mutex_);
  return {state_.seen.refused, state_.names, state_.names_full};
}

void Sightings::BeginAnew() {
  const std::lock_guard lock(mutex_);
  state_.seen.refused.clear();
  state_.names.clear();
  state_.names_full = false;
  state_.watched = dated_ = absl::ZeroDuration();
  ++version_;
  ++news_;
}

Observations Sightings::observations() const {
  const std::lock_guard lock(mutex_);
  return state_.seen;
}

std::optional<SensorMemory> Sightings::Memory(bool gapless) const {
  const std::lock_guard lock(mutex_);
  if (!state_.quarantined) return std::nullopt;
  SensorMemory memory;
  for (const auto& [key, sighting] : state_.seen.refused) {
    // Told of, and the kernel was not asked again before it went.
    memory.attempts.push_back({key.outbound, key.protocol, key.peer, key.port,
                               std::max<uint64_t>(sighting.times, 1)});
  }
  if (gapless) memory.watched = state_.watched;
  return memory;
}

uint64_t Sightings::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

uint64_t Sightings::news() const {
  const std::lock_guard lock(mutex_);
  return news_;
}

std::string Sightings::Encode() const {
  const std::lock_guard lock(mutex_);
  const Observations& seen = state_.seen;
  std::string text;
  const auto line = [&text](const Json& json) {
    absl::StrAppend(&text,
                    json.dump(-1, ' ', false, Json::error_handler_t::replace),
                    "\n");
  };
  const bool ever = seen.since != absl::InfiniteFuture();
  line({"sluice-sightings", kFormat, state_.quarantined,
        absl::ToInt64Milliseconds(state_.watched), state_.names_full, seen.full,
        ever ? Ms(seen.since) : 0, ever ? Ms(seen.until) : 0});
  for (const auto& [name, one] : state_.names) {
    line({"name", name, ToJson(one)});
  }
  for (const auto& [key, one] : seen.listeners) {
    line({"listener", std::string(ProtocolName(key.protocol)), key.port,
          ToJson(one)});
  }
  for (const auto& [key, one] : seen.refused) {
    line({"refused", ToJson(key), ToJson(one)});
  }
  for (const auto& [key, one] : seen.passed) {
    const auto counted = state_.counted.find(key);
    line({"passed", ToJson(key), ToJson(one),
          counted == state_.counted.end() ? uint64_t{0} : counted->second});
  }
  return absl::StrCat(text, Sha256(text), "\n");
}

absl::Status Sightings::Decode(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() < 3 || !lines.back().empty()) return Unreadable();
  lines.pop_back();
  const absl::string_view digest = lines.back();
  lines.pop_back();
  if (Sha256(text.substr(0, text.size() - digest.size() - 1)) != digest) {
    return Unreadable();
  }
  State state;
  // Signed by nobody: the library throws on what it did not expect.
  try {
    for (size_t i = 0; i < lines.size(); ++i) {
      const Json json = Json::parse(lines[i].begin(), lines[i].end());
      const auto kind = json.at(0).get<std::string>();
      if (i == 0) {
        if (kind != "sluice-sightings" || json.at(1) != kFormat) {
          return Unreadable();
        }
        state.quarantined = json.at(2).get<bool>();
        state.watched = absl::Milliseconds(json.at(3).get<int64_t>());
        state.names_full = json.at(4).get<bool>();
        state.seen.full = json.at(5).get<bool>();
        if (json.at(6) != 0) {
          state.seen.since = absl::FromUnixMillis(json.at(6).get<int64_t>());
          state.seen.until = absl::FromUnixMillis(json.at(7).get<int64_t>());
        }
      } else if (kind == "name") {
        state.names[json.at(1).get<std::string>()] = ToSighting(json.at(2));
      } else if (kind == "listener") {
        const ListenerKey key{
            json.at(1) == "udp" ? Protocol::kUdp : Protocol::kTcp,
            json.at(2).get<uint16_t>()};
        state.seen.listeners[key] = ToSighting(json.at(3));
      } else if (kind == "refused") {
        state.seen.refused[ToKey(json.at(1))] = ToSighting(json.at(2));
      } else if (kind == "passed") {
        const PeerKey key = ToKey(json.at(1));
        state.seen.passed[key] = ToSighting(json.at(2));
        if (json.at(3) != 0) state.counted[key] = json.at(3).get<uint64_t>();
      } else {
        return Unreadable();
      }
    }
  } catch (const Json::exception&) {
    return Unreadable();
  }
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  ++version_;
  ++news_;
  return absl::OkStatus();
}

}  // namespace sluice::agent
