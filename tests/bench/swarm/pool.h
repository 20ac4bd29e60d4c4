// A few threads that turn many hosts: each host by one thread at a time, when
// something has happened to it or its time has come.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace sluice::swarm {

class Pool {
 public:
  // `turn` turns one host, by its number, and says when it is due again.
  Pool(size_t hosts, size_t threads,
       std::function<absl::Duration(size_t)> turn);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // From any thread: the host has something to do, from `delay` on.
  void Wake(size_t host, absl::Duration delay = absl::ZeroDuration());

 private:
  // The hosts whose number modulo the threads is its own.
  struct Shard {
    std::mutex mutex;
    std::condition_variable wake;
    // Below: guarded by mutex.
    std::set<std::pair<absl::Duration, size_t>> due;
    std::vector<absl::Duration> next;  // by number / threads
    bool stopping = false;
    std::thread thread;
  };

  void Run(Shard& shard);
  void Plan(Shard& shard, size_t host, absl::Duration at);

  const std::function<absl::Duration(size_t)> turn_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace sluice::swarm
