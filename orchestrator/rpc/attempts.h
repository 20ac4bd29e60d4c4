// How often somebody whom nobody knows may try: tokens and logins, counted by
// the address they come from. Any thread.

#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sluice::rpc {

class Attempts {
 public:
  struct Options {
    double burst = 20;
    absl::Duration one_more_every = absl::Seconds(2);
    size_t addresses = 4096;  // beyond that, newcomers share one count
  };
  explicit Attempts(Options options) : options_(options) {}

  // Takes one; ResourceExhausted, saying when to come back, without one left.
  absl::Status Take(absl::string_view peer, absl::Time now);
  // Gives it back: the attempt was good.
  void GiveBack(absl::string_view peer);

 private:
  struct Bucket {
    double left = 0;
    absl::Time at;
  };
  Bucket& Of(const std::string& address, absl::Time now);

  const Options options_;
  std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;  // guarded by mutex_
};

}  // namespace sluice::rpc
