// What was seen on this host's network besides its orders: who tried to reach
// whom in quarantine, who talked to whom before it, what listens.

#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agents/isolation/fence.h"
#include "common/flow.h"
#include "common/prefix.h"

namespace sluice::agent {

// Whose a socket is, each part as far as it could be seen.
struct Process {
  std::string command;  // "postgres"; nothing but what prints
  int id = 0;
  std::string unit;  // systemd's service: "postgresql.service"
  std::string user;  // its name, or its number where it has none

  // "curl, process 812, unit backup.service, user www-data".
  std::string Text() const;
  bool known() const { return !command.empty() || !user.empty(); }

  friend bool operator==(const Process&, const Process&) = default;
};

// The other end, and the server's port: this host is the client of what is
// outbound.
struct PeerKey {
  bool outbound = false;
  Protocol protocol = Protocol::kTcp;
  Prefix peer;
  uint16_t port = 0;

  friend bool operator==(const PeerKey&, const PeerKey&) = default;
  friend auto operator<=>(const PeerKey&, const PeerKey&) = default;
};
inline PeerKey KeyOf(const Attempt& attempt) {
  return {attempt.outbound, attempt.protocol, attempt.peer, attempt.port};
}

struct ListenerKey {
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 0;

  friend bool operator==(const ListenerKey&, const ListenerKey&) = default;
  friend auto operator<=>(const ListenerKey&, const ListenerKey&) = default;
};

struct Sighting {
  uint64_t times = 0;
  absl::Time first = absl::InfiniteFuture();
  absl::Time last = absl::InfinitePast();
  Process process;  // of this host's end; the last that was known

  // Counts nothing.
  void At(absl::Time now) {
    first = std::min(first, now);
    last = std::max(last, now);
  }

  friend bool operator==(const Sighting&, const Sighting&) = default;
};

// What quarantine saw besides the fence's own counters.
struct SensorNotes {
  std::map<PeerKey, Sighting> peers;
  std::map<std::string, Sighting> names;  // whose addresses were asked for
  bool names_full = false;
  absl::Time taken = absl::InfinitePast();  // by this host's clock
};

// What the sensor held before a person had it begin anew: kept for good, so
// that whoever decides later sees that there was something. Bounded.
struct SensorPast {
  static constexpr size_t kMaxBegun = 4;
  static constexpr size_t kMaxPeers = 256;
  static constexpr size_t kMaxNames = 32;
  static constexpr size_t kMaxName = 253;

  struct Begun {
    std::string act;     // IsolateHost::sensor_anew
    std::string reason;  // and who ordered it, as the orchestrator said
    uint64_t quarantine_number = 0;
    absl::Time at = absl::InfinitePast();  // by this host's clock; in ms
    // Else its account was written down, and nobody knows whether the sensor
    // was emptied then.
    bool done = false;

    friend bool operator==(const Begun&, const Begun&) = default;
  };
  uint64_t times = 0;       // that it was begun anew
  std::deque<Begun> begun;  // the newest of them, oldest first
  SensorNotes held;         // together
  bool peers_full = false;  // some were left out of `held`

  // The last act that was carried out; empty: none.
  std::string LastDone() const;
  // Whether it is known that this act was, as far as that is remembered.
  bool Did(const std::string& act) const;

  // Adds what the sensor holds now. What is there since the same moment is the
  // same and counts once. What goes out is kept before what comes in, and what
  // was seen last before the rest.
  void Add(const std::vector<Attempt>& attempts, const SensorNotes& notes);

  // The beginning that is under way: a repeated one takes its own place.
  void Begin(Begun begun);
};

struct Observations {
  absl::Time since = absl::InfiniteFuture();  // never yet
  absl::Time until = absl::InfinitePast();
  bool full = false;  // something was left out
  std::map<ListenerKey, Sighting> listeners;
  std::map<PeerKey, Sighting> passed;
  std::map<PeerKey, Sighting> refused;  // in quarantine
};

}  // namespace sluice::agent
