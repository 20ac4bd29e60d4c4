// Which hosts hear a heartbeat when. In a large estate a beat for everybody at
// once would keep the loop, and with it an isolation, waiting: each interval is
// cut into slices, and each host belongs to one. There, hosts without a lease
// to renew hear every third beat only: they need none, and thousands of them
// would keep a processor busy with nothing.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "orchestrator/runtime/ports.h"

namespace sluice::runtime {

inline constexpr size_t kHostsASlice = 128;
inline constexpr size_t kMostSlices = 10;
inline constexpr uint64_t kIdleEvery = 3;

// Into how many slices the interval is cut.
inline size_t SlicesFor(size_t hosts) {
  return std::clamp<size_t>(hosts / kHostsASlice, 1, kMostSlices);
}

// Whether the stream hears slice number `slice`, counted up for ever. Any
// `slices` in a row reach every leased stream once.
inline bool HearsSlice(StreamId stream, uint64_t slice, size_t slices,
                       bool leased) {
  if (stream % slices != slice % slices) return false;
  if (leased || slices == 1) return true;
  return (stream / slices + slice / slices) % kIdleEvery == 0;
}

}  // namespace sluice::runtime
