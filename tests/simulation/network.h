// Streams between agents and orchestrators, and what goes wrong with them.
//
// A stream is a connection: in order while it lives, until a fault says
// otherwise. Messages go through the wire's own conversions in both
// directions, so that what they cannot carry is lost here too.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "agents/core/event.h"
#include "agents/core/message.h"
#include "orchestrator/engine/command.h"
#include "tests/simulation/random.h"

namespace sluice::simulation {

class Host;
class World;

enum class Way : uint8_t { kUp, kDown };  // up: from agents

// What faults make of the network; each adds and takes back its own share.
struct Weather {
  int lose = 0;       // of 100 messages
  int duplicate = 0;  // of 100 messages
  int reorder = 0;    // of 100 messages
  absl::Duration delay;
};

// Whoever agents attach to. `peer` numbers are the world's.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual bool Listens() const = 0;
  virtual void Greeted(const HostId& host, uint64_t stream,
                       const agent::Message& hello) = 0;
  virtual void Said(const HostId& host, uint64_t stream,
                    const agent::Message& message) = 0;
  virtual void Ended(const HostId& host, uint64_t stream,
                     const std::string& why) = 0;
};

class Network {
 public:
  Network(World& world, uint64_t seed);

  // Agents dial from now on, and again when a stream ends.
  void Dial(Host& host, absl::Duration wait);
  void HangUp(Host& host);  // the host's own end, at once
  // Both ends hear of it, each in its time.
  void Break(const HostId& host, const std::string& why);
  // The host's process or machine is gone: the other end hears of it.
  void Vanish(const HostId& host);
  // The peer's process is gone.
  void PeerVanished(int peer);

  void SendUp(Host& host, const agent::Message& message);
  // Drops what the stream is not there for any more.
  void SendDown(int peer, const HostId& host, uint64_t stream,
                const agent::Event& event);
  // The orchestrator ends a stream.
  void Close(int peer, const HostId& host, uint64_t stream,
             const std::string& why);

  // The peer that `host` is attached to, or -1.
  int PeerOf(const HostId& host) const;
  bool IsUp(const HostId& host) const { return PeerOf(host) >= 0; }

  // Every order that was ever sent, the newest last, bounded: what a captured
  // orchestrator knows.
  const std::deque<std::pair<HostId, agent::Order>>& overheard() const {
    return overheard_;
  }

  // ── faults ────────────────────────────────────────────────────────────────
  Weather weather;
  std::set<std::pair<HostId, Way>> cut;
  // Where a host's dialling ends up, when a fault bends it; else peer 0.
  std::map<HostId, int> bent;

 private:
  struct Stream {
    uint64_t number = 0;
    int peer = 0;
    bool here = true;   // the host's end
    bool there = true;  // the peer's end
    bool greeted = false;
    bool deaf_up = false;  // nothing gets through any more
    bool deaf_down = false;
    absl::Time last_up;
    absl::Time last_down;
    absl::Time stuck_since = absl::InfiniteFuture();
  };
  using StreamPtr = std::shared_ptr<Stream>;

  void Connect(Host& host);
  void Carry(const HostId& host, StreamPtr stream, Way way,
             std::function<void()> deliver);
  void Arrive(const HostId& host, StreamPtr stream, Way way,
              std::function<void()> deliver);
  bool IsCut(const HostId& host, Way way) const;
  void EndHere(const HostId& host, const StreamPtr& stream);
  void EndThere(const HostId& host, const StreamPtr& stream,
                const std::string& why);

  World& world_;
  Random random_;
  uint64_t last_ = 0;
  std::deque<std::pair<HostId, agent::Order>> overheard_;
  std::map<HostId, StreamPtr> streams_;
  std::map<HostId, uint64_t> dials_;
};

}  // namespace sluice::simulation
