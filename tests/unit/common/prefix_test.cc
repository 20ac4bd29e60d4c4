#include "common/prefix.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

Prefix Parse(const char* text) {
  const auto prefix = Prefix::Parse(text);
  EXPECT_TRUE(prefix.ok()) << text << ": " << prefix.status();
  return prefix.ok() ? *prefix : Prefix();
}

TEST(Prefix, IsWrittenInOneWay) {
  for (const char* text : {"10.77.0.11", "10.77.0.0/24", "0.0.0.0/0", "::/0",
                           "fd77::11", "2001:db8:203::/64", "::1"}) {
    EXPECT_EQ(Parse(text).ToString(), text);
  }
  EXPECT_EQ(Parse("10.77.0.11/32").ToString(), "10.77.0.11");
  EXPECT_EQ(Parse("FD77:0:0::0011").ToString(), "fd77::11");
  EXPECT_EQ(Parse("fd77::11/128").ToString(), "fd77::11");
}

TEST(Prefix, RefusesWhatIsMoreOftenAMistake) {
  for (const char* text :
       {"", "10.77.0", "10.77.0.11/24", "10.77.0.011", "10.77.0.256",
        "10.77.0.0/33", "10.77.0.0/", "10.77.0.0/-1", "10.77.0.0/024",
        "10.77.0.0/24/8", "fd77::11/64", "fd77::/129", "fd77:::1", "host-1",
        "10.77.0.1 ", " 10.77.0.1", "fe80::1%eth0", "+10.0.0.1",
        "10.0.0.0/ 8"}) {
    EXPECT_FALSE(Prefix::Parse(text).ok()) << text;
  }
  // A NUL cannot hide what follows it.
  EXPECT_FALSE(Prefix::Parse(absl::string_view("10.0.0.1\0x", 10)).ok());
}

TEST(Prefix, SaysWhatToWriteInstead) {
  EXPECT_THAT(std::string(Prefix::Parse("10.77.0.11/24").status().message()),
              HasSubstr("write the network's first address"));
}

TEST(Prefix, ContainsWhatLiesInIt) {
  EXPECT_TRUE(Parse("0.0.0.0/0").Contains(Parse("10.90.3.0/24")));
  EXPECT_TRUE(Parse("10.90.3.0/24").Contains(Parse("10.90.3.0/24")));
  EXPECT_TRUE(Parse("10.90.2.0/23").Contains(Parse("10.90.3.7")));
  EXPECT_FALSE(Parse("10.90.3.0/24").Contains(Parse("0.0.0.0/0")));
  EXPECT_FALSE(Parse("10.90.3.0/24").Contains(Parse("10.90.4.0")));
  EXPECT_TRUE(Parse("fd77::/16").Contains(Parse("fd77:1::/32")));
}

TEST(Prefix, NeverContainsAnotherFamily) {
  EXPECT_FALSE(Parse("0.0.0.0/0").Contains(Parse("::/0")));
  EXPECT_FALSE(Parse("::/0").Contains(Parse("10.0.0.1")));
  EXPECT_FALSE(Parse("::/0").Overlaps(Parse("0.0.0.0/0")));
}

TEST(Prefix, OverlapsInEitherDirection) {
  EXPECT_TRUE(Parse("10.90.3.7").Overlaps(Parse("10.90.3.0/24")));
  EXPECT_TRUE(Parse("10.90.3.0/24").Overlaps(Parse("10.90.3.7")));
  EXPECT_FALSE(Parse("10.90.2.0/24").Overlaps(Parse("10.90.3.0/24")));
}

}  // namespace
}  // namespace sluice
