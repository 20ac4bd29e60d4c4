#include "orchestrator/runtime/heartbeat.h"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(Heartbeat, ReachesEveryLeaseOnceAnInterval) {
  for (const size_t hosts : {1u, 127u, 128u, 1000u, 10'000u}) {
    const size_t slices = SlicesFor(hosts);
    for (StreamId stream = 1; stream <= 50; ++stream) {
      for (uint64_t first = 0; first < 40; ++first) {
        int heard = 0;
        for (uint64_t slice = first; slice < first + slices; ++slice) {
          heard += HearsSlice(stream, slice, slices, true) ? 1 : 0;
        }
        ASSERT_EQ(heard, 1) << hosts << " hosts, stream " << stream;
      }
    }
  }
}

TEST(Heartbeat, ReachesAllOfASmallEstateAtOnce) {
  EXPECT_EQ(SlicesFor(0), 1u);
  EXPECT_EQ(SlicesFor(200), 1u);
  for (StreamId stream = 1; stream < 10; ++stream) {
    EXPECT_TRUE(HearsSlice(stream, stream * 7, 1, false));
  }
}

TEST(Heartbeat, ReachesTheIdleOfALargeEstateEveryThirdTime) {
  const size_t slices = SlicesFor(10'000);
  EXPECT_EQ(slices, kMostSlices);
  for (StreamId stream = 1; stream <= 50; ++stream) {
    int heard = 0;
    for (uint64_t slice = 7; slice < 7 + kIdleEvery * slices; ++slice) {
      heard += HearsSlice(stream, slice, slices, false) ? 1 : 0;
    }
    EXPECT_EQ(heard, 1) << stream;
  }
}

}  // namespace
}  // namespace sluice::runtime
