#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agents/checks/check.h"

namespace sluice::agent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A host whose fence says so, 90 minutes after it was put up.
class Attempts : public ::testing::Test {
 protected:
  Attempts() {
    reading_.mode = Mode::kQuarantined;
    reading_.watching_since = absl::Seconds(100);
    context_.fence = [this]() -> absl::StatusOr<FenceReading> {
      return reading_;
    };
    context_.now = [] { return absl::Seconds(100) + absl::Minutes(90); };
    spec_.kind = "attempts";
    spec_.args = {{"none-undeclared", "true"},
                  {"for", "1h"},
                  {"declared", "5432/tcp@10.77.0.11,443/tcp@203.0.113.0/24"},
                  {"estate", "10.77.0.0/24,fd77::/64"}};
  }

  void Tried(const std::string& peer, uint16_t port, uint64_t packets = 1,
             Protocol protocol = Protocol::kTcp, bool outbound = true) {
    reading_.attempts.push_back(
        {outbound, protocol, *Prefix::Parse(peer), port, packets});
  }
  CheckResult Result() {
    const Stop stop;
    return RunCheck(spec_, context_, stop);
  }

  FenceReading reading_;
  CheckContext context_;
  CheckSpec spec_;
};

TEST_F(Attempts, OfNobodyIsNoSignFound) {
  EXPECT_EQ(Result().verdict, Verdict::kPass);
  EXPECT_THAT(Result().reason, HasSubstr("no sign found"));
  EXPECT_THAT(Result().reason, HasSubstr("1h30m"));
}

TEST_F(Attempts, ToDeclaredPeersAreMerelyEarly) {
  Tried("10.77.0.11", 5432, 40);
  Tried("203.0.113.9", 443);
  Tried("10.77.0.99", 22, 3, Protocol::kTcp, /*outbound=*/false);
  EXPECT_EQ(Result().verdict, Verdict::kPass);
  EXPECT_THAT(Result().reason, AllOf(HasSubstr("merely early: 2"),
                                     HasSubstr("tried to come in: 1")));
}

TEST_F(Attempts, ThatNobodyDeclaredAreNamedOutsideFirst) {
  Tried("10.77.0.31", 22, 900);
  Tried("198.51.100.66", 443, 12);
  CheckResult result = Result();
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_EQ(result.reason,
            "tried to reach 198.51.100.66 443/tcp (outside, 12 times), "
            "10.77.0.31 22/tcp (in the estate, 900 times)");
  // The right address but another port or protocol is not declared.
  reading_.attempts.clear();
  Tried("10.77.0.11", 5433);
  EXPECT_EQ(Result().verdict, Verdict::kFail);
  reading_.attempts.clear();
  Tried("10.77.0.11", 5432, 1, Protocol::kUdp);
  EXPECT_EQ(Result().verdict, Verdict::kFail);
}

TEST_F(Attempts, AreNamedWithTheirSenderAndTheNamesItAskedFor) {
  Tried("198.51.100.66", 443, 12);
  Tried("10.77.0.11", 5432, 40);
  Tried("10.77.0.99", 22, 1, Protocol::kTcp, /*outbound=*/false);
  SensorNotes notes;
  const absl::Time first = absl::FromUnixSeconds(1'795'000'000);
  const Sighting seen{12, first, first + absl::Minutes(3),
                      {"curl", 812, "evil.service", "www-data"}};
  notes.peers[{true, Protocol::kTcp, *Prefix::Parse("198.51.100.66"), 443}] =
      seen;
  notes.names["update.evil.example"] = seen;
  context_.sensor = [&] { return notes; };
  const CheckResult result = Result();
  EXPECT_EQ(result.reason,
            "tried to reach 198.51.100.66 443/tcp (outside, 12 times, by curl, "
            "process 812, unit evil.service, user www-data); names it asked "
            "for: update.evil.example (12 times)");
  const std::string when_and_who =
      ", 12 times, from 11-18 11:06:40 to 11-18 11:09:40 UTC, by curl, process "
      "812, unit evil.service, user www-data";
  EXPECT_THAT(
      result.details,
      ElementsAre("undeclared, outside: 198.51.100.66 443/tcp" + when_and_who,
                  "declared, merely early: 10.77.0.11 5432/tcp, 40 times",
                  "tried to come in: 10.77.0.99 22/tcp, once",
                  "name asked for: update.evil.example" + when_and_who));
}

TEST_F(Attempts, InAFloodAreCountedInTheEvidenceToo) {
  for (int i = 0; i < 1024; ++i) {
    Tried("10.9." + std::to_string(i / 200) + "." + std::to_string(i % 200),
          443);
  }
  reading_.sensor_full = true;
  const CheckResult result = Result();
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_THAT(result.reason, HasSubstr("and 1021 more"));
  EXPECT_EQ(result.details.size(), 41);
  EXPECT_EQ(result.details.back(), "undeclared, outside: 984 more");
}

TEST_F(Attempts, BeyondAFewAreCounted) {
  for (int i = 1; i <= 9; ++i) {
    Tried("198.51.100." + std::to_string(i), 443, static_cast<uint64_t>(i));
  }
  EXPECT_THAT(Result().reason, AllOf(HasSubstr("198.51.100.9 443/tcp (outside, "
                                               "9 times)"),
                                     HasSubstr("and 6 more")));
}

TEST_F(Attempts, ThatStayOnTheLinkSayNothing) {
  Tried("224.0.0.251", 5353, 1, Protocol::kUdp);
  Tried("ff02::fb", 5353, 1, Protocol::kUdp);
  Tried("255.255.255.255", 67, 1, Protocol::kUdp);
  EXPECT_EQ(Result().verdict, Verdict::kPass);
  Tried("239.1.2.3", 5353, 1, Protocol::kUdp);
  EXPECT_EQ(Result().verdict, Verdict::kFail);
}

TEST_F(Attempts, OfAShorterWatchAreInconclusive) {
  spec_.args["for"] = "2h";
  EXPECT_EQ(Result().verdict, Verdict::kInconclusive);
  EXPECT_THAT(Result().reason, HasSubstr("1h30m"));
  spec_.args["for"] = "1d1h";
  EXPECT_EQ(Result().verdict, Verdict::kInconclusive);
  spec_.args.erase("for");  // 60m
  EXPECT_EQ(Result().verdict, Verdict::kPass);
  // A sign found in a short watch is a sign.
  spec_.args["for"] = "2h";
  Tried("198.51.100.66", 443);
  EXPECT_EQ(Result().verdict, Verdict::kFail);
}

TEST_F(Attempts, OfASensorThatMissedSomethingAreInconclusive) {
  reading_.sensor_full = true;
  EXPECT_EQ(Result().verdict, Verdict::kInconclusive);
  EXPECT_THAT(Result().reason, HasSubstr("full"));
  reading_.sensor_full = false;
  reading_.watching_since.reset();
  EXPECT_EQ(Result().verdict, Verdict::kInconclusive);
}

TEST_F(Attempts, OfAHostThatIsOpenOrUnreadableAreInconclusive) {
  reading_.mode = Mode::kOpen;
  EXPECT_EQ(Result().verdict, Verdict::kInconclusive);
  context_.fence = []() -> absl::StatusOr<FenceReading> {
    return absl::UnavailableError("no nf_tables module");
  };
  EXPECT_EQ(Result().verdict, Verdict::kInconclusive);
  EXPECT_THAT(Result().reason, HasSubstr("no nf_tables module"));
  context_.fence = nullptr;
  EXPECT_EQ(Result().verdict, Verdict::kInconclusive);
}

TEST_F(Attempts, WithArgumentsThatCannotBeReadAreInconclusive) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"for", "soon"},
                                          {"for", "-1h"},
                                          {"for", "inf"},
                                          {"declared", "5432/tcp"},
                                          {"declared", "5432@10.77.0.11"},
                                          {"declared", "0/tcp@10.77.0.11"},
                                          {"estate", "10.77.0.1/24"}}) {
    const std::string before = spec_.args[name];
    spec_.args[name] = value;
    EXPECT_EQ(Result().verdict, Verdict::kInconclusive) << name << value;
    EXPECT_THAT(Result().reason, Not(HasSubstr("sign"))) << value;
    spec_.args[name] = before;
  }
}

}  // namespace
}  // namespace sluice::agent
