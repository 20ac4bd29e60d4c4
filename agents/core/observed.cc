#include "agents/core/observed.h"

#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sluice::agent {

std::string Process::Text() const {
  std::vector<std::string> parts;
  if (!command.empty()) parts.push_back(command);
  if (id != 0) parts.push_back(absl::StrCat("process ", id));
  if (!unit.empty()) parts.push_back(absl::StrCat("unit ", unit));
  if (!user.empty()) parts.push_back(absl::StrCat("user ", user));
  return absl::StrJoin(parts, ", ");
}

namespace {

// As it is written down.
absl::Time InMs(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) {
    return absl::InfinitePast();
  }
  return absl::FromUnixMillis(absl::ToUnixMillis(time));
}

// One that began when the one that is kept did is the same, seen again.
void Merge(Sighting now, Sighting& kept) {
  now.first = InMs(now.first);
  now.last = InMs(now.last);
  if (kept.times > 0 && kept.first != now.first) {
    now.times += kept.times;
    const bool dated = now.first != absl::InfinitePast() &&
                       kept.first != absl::InfinitePast();
    now.first = dated ? std::min(now.first, kept.first)
                      : std::max(now.first, kept.first);
    now.last = std::max(now.last, kept.last);
  }
  now.times = std::max(now.times, kept.times);
  if (!now.process.known()) now.process = kept.process;
  kept = std::move(now);
}

// Outwards first, then the newest.
void Bound(std::map<PeerKey, Sighting>& peers, bool& full) {
  while (peers.size() > SensorPast::kMaxPeers) {
    full = true;
    peers.erase(std::min_element(
        peers.begin(), peers.end(), [](const auto& a, const auto& b) {
          return std::tie(a.first.outbound, a.second.last) <
                 std::tie(b.first.outbound, b.second.last);
        }));
  }
}

}  // namespace

std::string SensorPast::LastDone() const {
  const auto at = std::find_if(begun.rbegin(), begun.rend(),
                               [](const Begun& one) { return one.done; });
  return at == begun.rend() ? "" : at->act;
}

bool SensorPast::Did(const std::string& act) const {
  return std::any_of(begun.begin(), begun.end(), [&](const Begun& one) {
    return one.done && one.act == act;
  });
}

void SensorPast::Add(const std::vector<Attempt>& attempts,
                     const SensorNotes& notes) {
  for (const Attempt& attempt : attempts) {
    if (attempt.packets == 0) continue;
    const PeerKey key = KeyOf(attempt);
    Sighting now;
    if (const auto at = notes.peers.find(key); at != notes.peers.end()) {
      now = at->second;
    }
    now.times = attempt.packets;
    Merge(std::move(now), held.peers[key]);
  }
  Bound(held.peers, peers_full);
  held.names_full |= notes.names_full;
  for (const auto& [name, asked] : notes.names) {
    if (name.size() > kMaxName ||
        (held.names.size() >= kMaxNames && !held.names.contains(name))) {
      held.names_full = true;
      continue;
    }
    Merge(asked, held.names[name]);
  }
}

void SensorPast::Begin(Begun now) {
  now.at = InMs(now.at);
  if (!begun.empty() && begun.back().act == now.act) {
    begun.back() = std::move(now);
    return;
  }
  ++times;
  begun.push_back(std::move(now));
  if (begun.size() > kMaxBegun) begun.pop_front();
}

}  // namespace sluice::agent
