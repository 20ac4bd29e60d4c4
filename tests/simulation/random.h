// Numbers drawn from a seed: the same on every machine and with every library
// (the distributions of <random> are not).

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/contract.h"

namespace sluice::simulation {

// splitmix64: small, fast, and good enough to make trouble with.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  // A stream of its own for each use of one seed, so that one that draws more
  // does not shift what another draws.
  Random(uint64_t seed, absl::string_view use) : state_(seed) {
    for (const char c : use) {
      state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
      Next();
    }
  }

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // 0 to `below` - 1. REQUIRES: below > 0.
  size_t Below(size_t below) {
    SLUICE_CHECK(below > 0);
    return static_cast<size_t>(Next() % below);
  }
  // Both ends included.
  int Between(int low, int high) {
    return low + static_cast<int>(Below(static_cast<size_t>(high - low + 1)));
  }
  bool Percent(int chance) { return Below(100) < static_cast<size_t>(chance); }
  absl::Duration Time(absl::Duration low, absl::Duration high) {
    const int64_t span = absl::ToInt64Microseconds(high - low);
    return low + absl::Microseconds(static_cast<int64_t>(
                     Below(static_cast<size_t>(span + 1))));
  }
  template <class T>
  const T& Pick(const std::vector<T>& from) {
    return from[Below(from.size())];
  }

 private:
  uint64_t state_;
};

}  // namespace sluice::simulation
