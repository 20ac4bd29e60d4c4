// Listings as the kernel gave them (tests/golden/isolation/listing.json, made
// by nft 1.0.6), and what they are not.

#include "agents/isolation/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_replace.h"

namespace sluice::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Flow F(const std::string& line) { return Flow::Parse(line).value(); }

std::string Recorded() {
  std::ostringstream text;
  text << std::ifstream(SLUICE_SOURCE_DIR
                        "/tests/golden/isolation/listing.json")
              .rdbuf();
  return text.str();
}

std::string Changed(const std::string& from, const std::string& to) {
  std::string text = Recorded();
  EXPECT_GT(absl::StrReplaceAll({{from, to}}, &text), 0) << from;
  return text;
}

TEST(Listing, TellsWhatTheKernelHolds) {
  const FenceReading reading = ParseListing(Recorded()).value().Reading();
  EXPECT_EQ(reading.mode, Mode::kQuarantined);
  EXPECT_THAT(reading.management, ElementsAre(F("tcp 10.0.0.2 10.0.0.9 7443")));
  EXPECT_THAT(reading.standing,
              ElementsAre(F("tcp 0.0.0.0/0 10.0.0.2 443"),
                          F("tcp 10.90.3.0/24 10.0.0.2 443-444")));
  ASSERT_EQ(reading.releases.size(), 1u);
  EXPECT_EQ(reading.releases[0].digest, "sha256:" + std::string(64, 'a'));
  EXPECT_GT(reading.releases[0].remaining, absl::Seconds(50));
  EXPECT_THAT(reading.releases[0].flows,
              ElementsAre(F("udp fd77::/64 fd77::2 53")));
  ASSERT_EQ(reading.attempts.size(), 1u);
  EXPECT_TRUE(reading.attempts[0].outbound);
  EXPECT_EQ(reading.attempts[0].peer.ToString(), "203.0.113.9");
  EXPECT_EQ(reading.attempts[0].port, 443);
  EXPECT_EQ(reading.attempts[0].packets, 7u);
}

// S9: all four sets say since when, or nobody knows.
TEST(Listing, KnowsSinceWhenTheSensorWatches) {
  EXPECT_FALSE(
      ParseListing(Recorded()).value().Reading().watching_since.has_value());
  std::string dated;
  for (const char* name :
       {"tried_in4", "tried_in6", "tried_out4", "tried_out6"}) {
    const std::string before = dated.empty() ? Recorded() : dated;
    EXPECT_FALSE(
        ParseListing(before).value().Reading().watching_since.has_value());
    dated = absl::StrReplaceAll(
        before, {{absl::StrCat("\"name\": \"", name, "\","),
                  absl::StrCat("\"name\": \"", name,
                               "\", \"comment\": \"since 9000ms\",")}});
  }
  const FenceReading reading = ParseListing(dated).value().Reading();
  EXPECT_EQ(reading.watching_since, absl::Seconds(9));
  EXPECT_FALSE(reading.sensor_full);
  EXPECT_EQ(reading.rules_digest,
            ParseListing(Recorded()).value().Reading().rules_digest);
}

TEST(Listing, CountsOnlyLiveReleasesAsLive) {
  Listing listing = ParseListing(Recorded()).value();
  EXPECT_EQ(listing.Live().size(), 3u);
  EXPECT_FALSE(listing.HasDeadGuard());
  listing.guards.begin()->second.live = false;
  EXPECT_EQ(listing.Live().size(), 2u);
  EXPECT_TRUE(listing.HasDeadGuard());
}

TEST(Listing, IsNoFenceWhenAChainAccepts) {
  const std::string text =
      Changed("\"policy\": \"drop\"", "\"policy\": \"accept\"");
  EXPECT_EQ(ParseListing(text).value().Reading().mode, Mode::kOpen);
}

TEST(Listing, KeepsItsDigestWhenOnlyCountersAndTimersMove) {
  const std::string digest = ParseListing(Recorded()).value().rules_digest;
  EXPECT_EQ(ParseListing(Changed("\"packets\": 7", "\"packets\": 8"))
                .value()
                .rules_digest,
            digest);
  EXPECT_EQ(ParseListing(Changed("\"timeout\": 60", "\"timeout\": 90"))
                .value()
                .rules_digest,
            digest);
  EXPECT_EQ(
      ParseListing(Changed("\"fd77::\"", "\"fd78::\"")).value().rules_digest,
      digest);
}

TEST(Listing, ChangesItsDigestWithStandingFlowsAndRules) {
  const std::string digest = ParseListing(Recorded()).value().rules_digest;
  EXPECT_NE(ParseListing(Changed("\"10.90.3.0\"", "\"10.90.4.0\""))
                .value()
                .rules_digest,
            digest);
  EXPECT_NE(
      ParseListing(Changed("\"hoplimit\"", "\"length\"")).value().rules_digest,
      digest);
}

TEST(Listing, RefusesWhatItCannotUnderstand) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"),
        std::string("{\"nftables\": [7]}"),
        Changed("\"addr\": \"10.90.3.0\"", "\"addr\": \"10.90.3\""),
        Changed("\"nftables\": [",
                "\"nftables\": [{\"set\": {\"name\": "
                "\"vital_tcp4\", \"elem\": [{\"concat\": "
                "[1, 2, 3]}]}},")}) {
    EXPECT_FALSE(ParseListing(text).ok()) << text.substr(0, 40);
  }
  EXPECT_THAT(std::string(ParseListing("{").status().message()),
              HasSubstr("then isolate again"));
}

TEST(Listing, ReadsTimesToTheMillisecond) {
  EXPECT_EQ(ParseExpires("elements = { ipv4 timeout 1m expires 12s284ms, "
                         "ipv6 timeout 1m expires 12s280ms }")
                .value(),
            absl::Milliseconds(12280));
  EXPECT_EQ(ParseExpires("expires 1d2h3m4s5ms }").value(),
            absl::Hours(26) + absl::Minutes(3) + absl::Milliseconds(4005));
  EXPECT_EQ(ParseExpires("set g { }").value(), absl::InfiniteDuration());
  EXPECT_FALSE(ParseExpires("expires soon }").ok());
}

}  // namespace
}  // namespace sluice::agent
