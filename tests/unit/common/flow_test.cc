#include "common/flow.h"

#include <algorithm>

#include "common/digest.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

TEST(Flow, ReadsBackItsOwnLine) {
  for (const char* line :
       {"tcp 10.77.0.21 10.77.0.11 5432", "udp fd77::21 fd77::11 53",
        "tcp 0.0.0.0/0 10.77.0.42 443",
        "tcp 10.77.0.0/24 10.77.0.11 49152-65535"}) {
    const auto flow = Flow::Parse(line);
    ASSERT_TRUE(flow.ok()) << flow.status();
    EXPECT_EQ(flow->Line(), line);
    EXPECT_EQ(*Flow::Parse(flow->Line()), *flow);
  }
}

TEST(Flow, RefusesWhatItWouldNotWrite) {
  for (const char* line :
       {"", "tcp", "icmp 10.0.0.1 10.0.0.2 1", "TCP 10.0.0.1 10.0.0.2 1",
        "tcp 10.0.0.1 fd77::1 1", "tcp 10.0.0.1 10.0.0.2 0",
        "tcp 10.0.0.1 10.0.0.2 65536", "tcp 10.0.0.1 10.0.0.2 080",
        "tcp 10.0.0.1 10.0.0.2 9-8", "tcp 10.0.0.1 10.0.0.2 8-8",
        "tcp 10.0.0.1 10.0.0.2 1-2-3", "tcp 10.0.0.1 10.0.0.2 1-",
        "tcp 10.0.0.1/32 10.0.0.2 1", "tcp  10.0.0.1 10.0.0.2 1",
        "tcp 10.0.0.1 10.0.0.2 1 ", "tcp 10.0.0.1 10.0.0.2 1\n",
        "tcp fd77::0:1 fd77::2 1"}) {
    EXPECT_FALSE(Flow::Parse(line).ok()) << line;
  }
}

TEST(FlowsDigest, DoesNotDependOnOrderOrRepeats) {
  const Flow a = *Flow::Parse("tcp 10.77.0.21 10.77.0.11 5432");
  const Flow b = *Flow::Parse("udp fd77::21 fd77::11 53");
  EXPECT_EQ(FlowsDigest({a, b}), FlowsDigest({b, a, b}));
  EXPECT_NE(FlowsDigest({a}), FlowsDigest({a, b}));
  EXPECT_EQ(FlowsDigest({}), Sha256(""));
  EXPECT_EQ(FlowsDigest({b, a}), Sha256("tcp 10.77.0.21 10.77.0.11 5432\n"
                                        "udp fd77::21 fd77::11 53\n"));
}

TEST(Digest, IsSha256InLowerCaseHex) {
  EXPECT_EQ(Sha256("abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f2"
            "0015ad");
  EXPECT_TRUE(IsDigest(Sha256("")));
  EXPECT_EQ(ShortDigest(Sha256("abc")), "ba7816bf8f01");
}

TEST(Digest, IsNothingElse) {
  const std::string good = Sha256("abc");
  std::string upper = good;
  std::transform(upper.begin() + 7, upper.end(), upper.begin() + 7,
                 [](char c) { return std::toupper(c); });
  for (const std::string& text :
       {std::string(), std::string("sha256:"), good.substr(7), good + "0",
        good.substr(0, good.size() - 1), upper, " " + good,
        "sha512:" + good.substr(7)}) {
    EXPECT_FALSE(IsDigest(text)) << text;
  }
}

}  // namespace
}  // namespace sluice
