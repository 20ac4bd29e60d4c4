#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/host.h"
#include "tests/simulation/world.h"

namespace sluice::simulation {
namespace {

constexpr size_t kOverheard = 500;
constexpr absl::Duration kAgain = absl::Milliseconds(250);
// A stream over which nothing gets through is given up after this long.
constexpr absl::Duration kGivenUp = absl::Seconds(15);

}  // namespace

Network::Network(World& world, uint64_t seed)
    : world_(world), random_(seed, "network") {}

int Network::PeerOf(const HostId& host) const {
  const auto at = streams_.find(host);
  return at == streams_.end() ? -1 : at->second->peer;
}

// A driven point speaks from the host that acts for it.
bool Network::IsCut(const HostId& host, Way way) const {
  const HostId& from = world_.host(host).planned().speaker();
  return cut.contains({host, way}) || cut.contains({from, way});
}

void Network::Dial(Host& host, absl::Duration wait) {
  const uint64_t dial = ++dials_[host.id()];
  world_.agenda().After(wait, [this, &host, dial] {
    if (dials_[host.id()] != dial || !host.running()) return;
    if (!streams_.contains(host.id())) Connect(host);
  });
}

void Network::Connect(Host& host) {
  const HostId& id = host.id();
  const auto elsewhere = bent.find(id);
  const int number = elsewhere == bent.end() ? 0 : elsewhere->second;
  if (!world_.peer(number).Listens() || IsCut(id, Way::kUp) ||
      IsCut(id, Way::kDown)) {
    Dial(host, random_.Time(absl::Milliseconds(200), absl::Seconds(5)));
    return;
  }
  auto stream = std::make_shared<Stream>();
  stream->number = ++last_;
  stream->peer = number;
  streams_[id] = stream;
  Carry(id, stream, Way::kDown, [&host] { host.Feed(agent::LinkConnected{}); });
}

// Drops, delays, repeats and reorders as the weather is.
void Network::Carry(const HostId& host, StreamPtr stream, Way way,
                    std::function<void()> deliver) {
  bool& deaf = way == Way::kUp ? stream->deaf_up : stream->deaf_down;
  if (deaf) return;
  if (weather.lose > 0 && random_.Percent(weather.lose)) {
    // What follows is lost too: the stream is broken and nobody knows yet.
    deaf = true;
    world_.Trace(host.str(), "its link loses a message and breaks");
    Break(host, "the link broke");
    return;
  }
  absl::Duration wait =
      random_.Time(absl::Microseconds(100), absl::Milliseconds(3));
  if (weather.delay > absl::ZeroDuration()) {
    wait += random_.Time(absl::ZeroDuration(), weather.delay);
  }
  absl::Time& last = way == Way::kUp ? stream->last_up : stream->last_down;
  absl::Time at = world_.now() + wait;
  if (weather.reorder > 0 && random_.Percent(weather.reorder)) {
    at += random_.Time(absl::ZeroDuration(), absl::Seconds(1));
  } else {
    at = std::max(at, last);
    last = at;
  }
  const bool twice =
      weather.duplicate > 0 && random_.Percent(weather.duplicate);
  if (twice) {
    world_.agenda().At(
        at + random_.Time(absl::ZeroDuration(), absl::Seconds(2)),
        [this, host, stream, way, deliver] {
          Arrive(host, stream, way, deliver);
        });
  }
  world_.agenda().At(at,
                     [this, host, stream, way, deliver = std::move(deliver)] {
                       Arrive(host, stream, way, deliver);
                     });
}

void Network::Arrive(const HostId& host, StreamPtr stream, Way way,
                     std::function<void()> deliver) {
  if (!(way == Way::kUp ? stream->there : stream->here)) return;
  if (!IsCut(host, way)) {
    stream->stuck_since = absl::InfiniteFuture();
    deliver();
    return;
  }
  if (stream->stuck_since == absl::InfiniteFuture()) {
    stream->stuck_since = world_.now();
  } else if (world_.now() - stream->stuck_since > kGivenUp) {
    EndThere(host, stream, "the link broke");
    EndHere(host, stream);
    return;
  }
  world_.agenda().After(
      kAgain, [this, host, stream, way, deliver = std::move(deliver)] {
        Arrive(host, stream, way, deliver);
      });
}

void Network::SendUp(Host& host, const agent::Message& message) {
  const auto at = streams_.find(host.id());
  if (at == streams_.end() || !at->second->here) return;
  const StreamPtr stream = at->second;
  const HostId id = host.id();
  const bool hello = std::holds_alternative<agent::Hello>(message);
  Carry(id, stream, Way::kUp, [this, id, stream, message, hello] {
    Peer& peer = world_.peer(stream->peer);
    if (!peer.Listens()) return;
    if (hello == stream->greeted) return;  // a repeat, or before the hello
    stream->greeted = true;
    if (hello) {
      peer.Greeted(id, stream->number, message);
    } else {
      peer.Said(id, stream->number, message);
    }
  });
}

void Network::SendDown(int peer, const HostId& host, uint64_t stream,
                       const agent::Event& event) {
  const auto at = streams_.find(host);
  if (at == streams_.end() || at->second->number != stream) return;
  if (at->second->peer != peer || !at->second->there) return;
  if (const auto* order = std::get_if<agent::OrderReceived>(&event)) {
    overheard_.emplace_back(host, order->order);
    if (overheard_.size() > kOverheard) overheard_.pop_front();
  }
  Host& to = world_.host(host);
  Carry(host, at->second, Way::kDown, [this, &to, event] {
    if (const auto* order = std::get_if<agent::OrderReceived>(&event)) {
      world_.watchers().OrderArrived(to, order->order);
    } else if (const auto* renewal =
                   std::get_if<agent::RenewalReceived>(&event)) {
      world_.watchers().RenewalArrived(to, renewal->epoch,
                                       renewal->release_digests);
    } else if (const auto* welcome = std::get_if<agent::LinkWelcomed>(&event)) {
      world_.watchers().WelcomeArrived(to, welcome->epoch);
    }
    to.Feed(event);
  });
}

void Network::EndHere(const HostId& host, const StreamPtr& stream) {
  if (!stream->here) return;
  stream->here = false;
  const auto at = streams_.find(host);
  if (at == streams_.end() || at->second != stream) return;
  streams_.erase(at);
  Host& to = world_.host(host);
  if (!to.running()) return;
  to.Feed(agent::LinkDown{});
  Dial(to, random_.Time(absl::Milliseconds(200), absl::Seconds(5)));
}

void Network::EndThere(const HostId& host, const StreamPtr& stream,
                       const std::string& why) {
  if (!stream->there) return;
  stream->there = false;
  Peer& peer = world_.peer(stream->peer);
  if (stream->greeted && peer.Listens()) {
    peer.Ended(host, stream->number, why);
  }
}

void Network::HangUp(Host& host) {
  const auto at = streams_.find(host.id());
  if (at == streams_.end()) return;
  const StreamPtr stream = at->second;
  const HostId id = host.id();
  world_.agenda().After(absl::Microseconds(10),
                        [this, id, stream] { EndHere(id, stream); });
  world_.agenda().After(
      random_.Time(absl::Milliseconds(1), absl::Milliseconds(50)),
      [this, id, stream] {
        EndThere(id, stream, "its agent closed the link");
      });
}

void Network::Break(const HostId& host, const std::string& why) {
  const auto at = streams_.find(host);
  if (at == streams_.end()) return;
  const StreamPtr stream = at->second;
  world_.agenda().After(random_.Time(absl::ZeroDuration(), absl::Seconds(3)),
                        [this, host, stream] { EndHere(host, stream); });
  world_.agenda().After(
      random_.Time(absl::ZeroDuration(), absl::Seconds(10)),
      [this, host, stream, why] { EndThere(host, stream, why); });
}

void Network::Vanish(const HostId& host) {
  ++dials_[host];
  const auto at = streams_.find(host);
  if (at == streams_.end()) return;
  const StreamPtr stream = at->second;
  stream->here = false;
  streams_.erase(at);
  world_.agenda().After(
      random_.Time(absl::Milliseconds(1), absl::Seconds(8)),
      [this, host, stream] { EndThere(host, stream, "the link broke"); });
}

void Network::PeerVanished(int peer) {
  for (const auto& [host, stream] : streams_) {
    if (stream->peer != peer) continue;
    stream->there = false;
    world_.agenda().After(
        random_.Time(absl::Milliseconds(1), absl::Seconds(4)),
        [this, host = host, stream = stream] { EndHere(host, stream); });
  }
}

void Network::Close(int peer, const HostId& host, uint64_t stream,
                    const std::string& why) {
  const auto at = streams_.find(host);
  if (at == streams_.end() || at->second->number != stream) return;
  if (at->second->peer != peer) return;
  const StreamPtr closing = at->second;
  world_.Trace(host.str(), "its stream is closed: ", why);
  world_.agenda().After(
      random_.Time(absl::Milliseconds(1), absl::Milliseconds(20)),
      [this, host, closing, why] {
        EndThere(host, closing, why);
        EndHere(host, closing);
      });
}

}  // namespace sluice::simulation
