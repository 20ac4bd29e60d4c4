#include "orchestrator/manifest/values.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice::manifest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string why;

bool Duration(const std::string& text, absl::Duration* out) {
  return ParseDuration(text, absl::ZeroDuration(), kMaxDuration, out, &why);
}

TEST(Duration, IsReadAndWrittenTheSame) {
  absl::Duration out;
  for (const char* text :
       {"500ms", "30s", "5m", "1h30m", "2d", "1d2h3m4s5ms"}) {
    ASSERT_TRUE(Duration(text, &out)) << why;
    EXPECT_EQ(DurationText(out), text);
  }
  ASSERT_TRUE(Duration("90m", &out));
  EXPECT_EQ(out, absl::Minutes(90));
  ASSERT_TRUE(Duration("0", &out));
  EXPECT_EQ(out, absl::ZeroDuration());
}

TEST(Duration, RefusesWhatCouldMeanTwoThings) {
  absl::Duration out;
  for (const char* text :
       {"", "5", "5 m", "m", "5mm", "1s1h", "1h1h", "1.5h", "-1s", "+1s", "1H",
        "05s", "9999999999s", "1e3s", "∞"}) {
    EXPECT_FALSE(Duration(text, &out)) << text;
  }
}

TEST(Name, IsLowerCaseAndShort) {
  std::string out;
  EXPECT_TRUE(ParseName("billing-db-1", &out, &why));
  EXPECT_TRUE(ParseName(std::string(63, 'a'), &out, &why));
  for (const std::string text :
       {"", "-a", "A", "a b", "a_b", "ä", "a\n", "a>b"}) {
    EXPECT_FALSE(ParseName(text, &out, &why)) << text;
  }
  EXPECT_FALSE(ParseName(std::string(64, 'a'), &out, &why));
}

TEST(Ports, WithoutAProtocolAreBoth) {
  std::vector<Port::Range> out;
  ASSERT_TRUE(ParsePortRanges("53", &out, &why));
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(RangeText(out[0]), "53/tcp");
  EXPECT_EQ(RangeText(out[1]), "53/udp");
}

TEST(Ports, RefuseWhatIsNone) {
  std::vector<Port::Range> out;
  for (const char* text : {"", "/tcp", "5432/TCP", "5432/", "http", "1-2-3/tcp",
                           "-5/tcp", "5-/tcp", "65536/tcp", "1 /tcp"}) {
    EXPECT_FALSE(ParsePortRanges(text, &out, &why)) << text;
  }
}

TEST(Range, CountsWithTheWidthOfItsFirst) {
  std::vector<std::string> out;
  ASSERT_TRUE(ExpandRange("app-[08-11]-x", &out, &why));
  EXPECT_THAT(out, ElementsAre("app-08-x", "app-09-x", "app-10-x", "app-11-x"));
  out.clear();
  ASSERT_TRUE(ExpandRange("10.77.1.[9-11]", &out, &why));
  EXPECT_THAT(out, ElementsAre("10.77.1.9", "10.77.1.10", "10.77.1.11"));
}

TEST(PublicKey, IsOneThatSshWrites) {
  const std::string good =
      "ssh-ed25519 "
      "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g "
      "duty";
  std::string out;
  EXPECT_TRUE(ParsePublicKey(good, &out, &why)) << why;
  EXPECT_FALSE(ParsePublicKey(good.substr(0, 40), &out, &why));
  EXPECT_FALSE(ParsePublicKey("command=\"sh\" " + good, &out, &why));
  EXPECT_FALSE(ParsePublicKey("ssh-rsa" + good.substr(11), &out, &why));
}

TEST(Secret, IsSeenInAddressesWithPasswords) {
  EXPECT_TRUE(LooksSecret("postgres://app:x@db/app"));
  EXPECT_TRUE(LooksSecret("-----BEGIN OPENSSH PRIVATE KEY-----"));
  EXPECT_FALSE(LooksSecret("https://portal.example/a:b@c"));
  EXPECT_FALSE(LooksSecret("sk-ssh-ed25519@openssh.com"));
}

TEST(Slug, IsANameOrNothing) {
  EXPECT_EQ(Slug("Service passwords rotated!"), "service-passwords-rotated");
  EXPECT_EQ(Slug("…"), "");
  EXPECT_LE(Slug(std::string(500, 'x')).size(), kMaxName);
}

TEST(Text, IsOneLineThatReadsAsItWorks) {
  std::string out;
  EXPECT_TRUE(ParseText("  Südliche Höfe ", &out, &why));
  EXPECT_EQ(out, "Südliche Höfe");
  EXPECT_FALSE(ParseText("a\nb", &out, &why));
  EXPECT_THAT(why, HasSubstr("several lines"));
  EXPECT_FALSE(ParseText("a\x1b[31m", &out, &why));
  EXPECT_FALSE(
      ParseText("a\u202e"
                "b",
                &out, &why));
}

}  // namespace
}  // namespace sluice::manifest
