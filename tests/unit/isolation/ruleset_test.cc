// The fence's text, whole, in tests/golden/isolation: what a reviewer
// reads; SLUICE_UPDATE_GOLDEN=1 writes it anew.

#include "agents/isolation/ruleset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "agents/isolation/observe_table.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Flow F(const std::string& line) { return Flow::Parse(line).value(); }

const std::string kA = "sha256:" + std::string(64, 'a');

void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path =
      std::string(SLUICE_SOURCE_DIR "/tests/golden/isolation/") + name;
  if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
  }
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(golden.str(), text);
}

FenceRules SmallRules() {
  FenceRules rules;
  rules.management = {F("tcp 10.77.0.11 10.77.0.1 7443"),
                      F("tcp fd77::11 fd77::1 7443")};
  rules.vital = {F("tcp 10.77.0.11 10.77.0.7 3260")};
  rules.standing = {F("tcp 0.0.0.0/0 10.77.0.11 443"),
                    F("tcp 10.90.3.0/24 10.77.0.11 443")};
  rules.releases = {
      {kA,
       absl::Seconds(60),
       {F("tcp 10.77.0.21 10.77.0.11 5432"), F("udp fd77::21 fd77::11 53")}}};
  return rules;
}

TEST(Ruleset, ReadsAsInTheGoldenFile) {
  ExpectGolden("ruleset.nft", ReplaceText({}, SmallRules(), {}).value());
}

TEST(Ruleset, TellsOfTheFirstOpeningOfAKindWhereSomebodyListens) {
  RulesetOptions options;
  options.log_group = 7443;
  FenceRules rules;
  rules.management = {F("tcp 10.77.0.11 10.77.0.1 7443")};
  ExpectGolden("ruleset_told.nft",
               ReplaceText(options, rules,
                           {{{true, Protocol::kTcp,
                              *Prefix::Parse("203.0.113.66"), 443, 12}},
                            -absl::Minutes(5)})
                   .value());
}

// No rule of it has a verdict besides `accept`.
TEST(Ruleset, ObservesWithoutRefusing) {
  const std::string text = ObserveText(7443);
  ExpectGolden("observe.nft", text);
  for (const char* word : {"drop", "reject", "queue", "ct state"}) {
    EXPECT_THAT(text, Not(HasSubstr(word)));
  }
}

TEST(Ruleset, JudgesGuestsAfterSourceNatWhereTheInteriorIsKnown) {
  RulesetOptions options;
  options.interior = {"docker0", "virbr0"};
  FenceRules rules = SmallRules();
  rules.releases.clear();
  ExpectGolden("ruleset_with_guests.nft",
               ReplaceText(options, rules, {}).value());
}

TEST(Ruleset, PutsTheSensorBack) {
  Attempt attempt;
  attempt.outbound = true;
  attempt.peer = Prefix::Parse("203.0.113.9").value();
  attempt.port = 443;
  attempt.packets = 7;
  EXPECT_THAT(ReplaceText({}, {}, {{attempt}, absl::Seconds(9)}).value(),
              HasSubstr("set tried_out4 { type ipv4_addr . inet_proto . "
                        "inet_service; size 1024; flags dynamic; counter; "
                        "comment \"since 9000ms\"; "
                        "elements = { 203.0.113.9 . tcp . 443 counter "
                        "packets 7 bytes 0 }; }"));
}

Listing Holding(bool live) {
  Listing now;
  now.exists = now.upright = true;
  now.guards[ReleaseGroup(kA)] = {kA, live, absl::Seconds(live ? 12 : 0)};
  now.groups[ReleaseGroup(kA)] =
      Place({}, {F("tcp 10.0.0.1 10.0.0.2 80")}).value();
  now.jumps = {{"flows", ReleaseGroup(kA), 41}};
  return now;
}

TEST(Ruleset, AddsToALiveReleaseWithoutTouchingItsGuard) {
  EXPECT_EQ(
      OpenText({}, Holding(true),
               {kA, absl::Seconds(60), {F("tcp 10.0.0.1 10.0.0.2 81")}})
          .value(),
      "add element inet sluice r_aaaaaaaaaaaa_tcp4 { 10.0.0.1 . 10.0.0.2 . 81 "
      "}\n");
}

TEST(Ruleset, EmptiesAReleaseThatRanOutBeforeItStartsAnew) {
  EXPECT_EQ(
      OpenText({}, Holding(false),
               {kA, absl::Seconds(60), {F("tcp 10.0.0.1 10.0.0.2 81")}})
          .value(),
      "flush set inet sluice r_aaaaaaaaaaaa_tcp4\n"
      "add element inet sluice r_aaaaaaaaaaaa_guard { ipv4 timeout 60000ms, "
      "ipv6 timeout 60000ms }\n"
      "add element inet sluice r_aaaaaaaaaaaa_tcp4 { 10.0.0.1 . 10.0.0.2 . 81 "
      "}\n");
}

TEST(Ruleset, TakesAnEmptyReleaseAwayWhole) {
  EXPECT_EQ(RemoveText({}, Holding(true), {ReleaseGroup(kA)},
                       {F("tcp 10.0.0.1 10.0.0.2 80")}),
            "delete rule inet sluice flows handle 41\n"
            "flush chain inet sluice r_aaaaaaaaaaaa\n"
            "delete chain inet sluice r_aaaaaaaaaaaa\n"
            "delete set inet sluice r_aaaaaaaaaaaa_tcp4\n"
            "delete set inet sluice r_aaaaaaaaaaaa_guard\n");
}

TEST(Ruleset, RenewsByEndingAndStartingTheGuard) {
  // A guard that ran out cannot be ended, so the kernel refuses the renewal.
  EXPECT_EQ(RenewText({}, {{kA, absl::Milliseconds(1500)}}),
            "delete element inet sluice r_aaaaaaaaaaaa_guard { ipv4, ipv6 }\n"
            "add element inet sluice r_aaaaaaaaaaaa_guard { ipv4 timeout "
            "1500ms, ipv6 timeout 1500ms }\n");
}

TEST(Ruleset, ConfirmsInOneTransactionThatNeedsTheGuard) {
  const std::string text =
      ConfirmText({}, Holding(true), kA, {F("tcp 10.0.0.1 10.0.0.2 80")})
          .value();
  EXPECT_THAT(text, HasSubstr("delete element inet sluice "
                              "r_aaaaaaaaaaaa_guard { ipv4, ipv6 }\n"));
  EXPECT_THAT(text, HasSubstr("add element inet sluice standing_tcp4 "
                              "{ 10.0.0.1 . 10.0.0.2 . 80 }\n"));
}

TEST(Ruleset, ConfirmsWhatStandsAlreadyWithoutTheGuard) {
  Listing now = Holding(false);
  const Flow flow = F("tcp 10.0.0.1 10.0.0.2 80");
  now.groups["standing"] = now.Group(ReleaseGroup(kA));
  const std::string text = ConfirmText({}, now, kA, {flow}).value();
  EXPECT_THAT(text, Not(HasSubstr("_guard {")));
  EXPECT_THAT(text, Not(HasSubstr("add element")));
  EXPECT_THAT(text, HasSubstr("r_aaaaaaaaaaaa"));
}

TEST(Ruleset, RefusesNamesThatCouldBeText) {
  RulesetOptions options;
  EXPECT_TRUE(CheckOptions(options).ok());
  options.interior = {"docker0; flush ruleset"};
  EXPECT_EQ(CheckOptions(options).code(), absl::StatusCode::kInvalidArgument);
  options.interior = {"veth*"};
  EXPECT_FALSE(CheckOptions(options).ok());
  options.interior = {};
  options.table = "a b";
  EXPECT_FALSE(CheckOptions(options).ok());
}

TEST(Ruleset, AcceptsNothingThatIsMerelyEstablished) {
  EXPECT_THAT(ReplaceText({}, SmallRules(), {}).value(),
              Not(HasSubstr("established")));
}

}  // namespace
}  // namespace sluice::agent
