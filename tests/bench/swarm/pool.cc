#include "tests/bench/swarm/pool.h"

#include <algorithm>

#include "tests/bench/swarm/host.h"

namespace sluice::swarm {

Pool::Pool(size_t hosts, size_t threads,
           std::function<absl::Duration(size_t)> turn)
    : turn_(std::move(turn)) {
  for (size_t i = 0; i < threads; ++i) {
    shards_.push_back(std::make_unique<Shard>());
    shards_.back()->next.assign(hosts / threads + 1, absl::InfiniteDuration());
  }
  for (const auto& shard : shards_) {
    shard->thread = std::thread([this, &shard = *shard] { Run(shard); });
  }
}

Pool::~Pool() {
  for (const auto& shard : shards_) {
    {
      const std::lock_guard lock(shard->mutex);
      shard->stopping = true;
    }
    shard->wake.notify_one();
    shard->thread.join();
  }
}

void Pool::Wake(size_t host, absl::Duration delay) {
  Shard& shard = *shards_[host % shards_.size()];
  const absl::Duration at = Now() + delay;
  {
    const std::lock_guard lock(shard.mutex);
    Plan(shard, host, at);
  }
  shard.wake.notify_one();
}

// The earlier of what is planned and `at`. REQUIRES: the shard's mutex.
void Pool::Plan(Shard& shard, size_t host, absl::Duration at) {
  absl::Duration& next = shard.next[host / shards_.size()];
  if (next <= at) return;
  if (next != absl::InfiniteDuration()) shard.due.erase({next, host});
  next = at;
  shard.due.emplace(at, host);
}

void Pool::Run(Shard& shard) {
  std::unique_lock lock(shard.mutex);
  while (!shard.stopping) {
    const absl::Duration now = Now();
    if (shard.due.empty() || shard.due.begin()->first > now) {
      const absl::Duration wait =
          shard.due.empty()
              ? absl::Seconds(1)
              : std::min(absl::Seconds(1), shard.due.begin()->first - now);
      shard.wake.wait_for(lock, absl::ToChronoMicroseconds(
                                    absl::Ceil(wait, absl::Microseconds(1))));
      continue;
    }
    const size_t host = shard.due.begin()->second;
    shard.due.erase(shard.due.begin());
    shard.next[host / shards_.size()] = absl::InfiniteDuration();
    lock.unlock();
    const absl::Duration next = turn_(host);
    lock.lock();
    if (next != absl::InfiniteDuration()) Plan(shard, host, next);
  }
}

}  // namespace sluice::swarm
