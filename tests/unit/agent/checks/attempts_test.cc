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

// ── after the sensor was begun anew ─────────────────────────────────────────

class AttemptsBefore : public Attempts {
 protected:
  AttemptsBefore() {
    past_.times = 1;
    past_.begun = {{"1a2b/7", "isolated by ada: cleaned", 7,
                    absl::FromUnixSeconds(1'795'000'000), true}};
  }
  void Held(const std::string& peer, uint16_t port, uint64_t times,
            absl::Duration after = absl::ZeroDuration(), bool outbound = true) {
    const absl::Time at = absl::FromUnixSeconds(1'794'990'000) + after;
    past_.held.peers[{outbound, Protocol::kTcp, *Prefix::Parse(peer), port}] = {
        times, at, at, {"curl", 812, "", "www-data"}};
  }
  CheckResult Result() {
    context_.past = std::make_shared<const SensorPast>(past_);
    return Attempts::Result();
  }

  SensorPast past_;
};

TEST_F(AttemptsBefore, AreSaidEvenWhenItPasses) {
  Held("198.51.100.66", 443, 12, absl::Minutes(2));
  Held("198.51.100.66", 8443, 1);
  Held("10.77.0.31", 22, 900);
  Held("10.77.0.11", 5432, 40, absl::Minutes(9));  // declared
  Held("10.77.0.99", 22, 3, absl::Minutes(9), /*outbound=*/false);
  past_.held.names["update.evil.example"].times = 4;
  const CheckResult result = Result();
  EXPECT_EQ(result.verdict, Verdict::kPass);
  EXPECT_EQ(result.reason,
            "no sign found: nothing undeclared in 1h30m; before its sensor was "
            "begun anew at 11-18 11:06:40 UTC, 2 undeclared addresses, the "
            "last 198.51.100.66 443/tcp (outside, 12 times)");
  const std::string by = " UTC, by curl, process 812, user www-data";
  EXPECT_THAT(
      result.details,
      ElementsAre("sensor begun anew at 11-18 11:06:40 UTC, in quarantine 7: "
                  "isolated by ada: cleaned",
                  "before, undeclared, outside: 198.51.100.66 443/tcp, 12 "
                  "times, at 11-18 08:22:00" +
                      by,
                  "before, undeclared, outside: 198.51.100.66 8443/tcp, once, "
                  "at 11-18 08:20:00" +
                      by,
                  "before, undeclared, in the estate: 10.77.0.31 22/tcp, 900 "
                  "times, at 11-18 08:20:00" +
                      by,
                  "before, declared, merely early: 1 address",
                  "before, tried to come in: 1 address",
                  "before, names asked for: update.evil.example (4 times)"));
}

TEST_F(AttemptsBefore, AreNoSignOfNowAndFailAgainWhenTheyAreRepeated) {
  Held("198.51.100.66", 443, 12);
  reading_.watching_since = absl::Seconds(100) + absl::Minutes(89);
  CheckResult result = Result();
  EXPECT_EQ(result.verdict, Verdict::kInconclusive);
  EXPECT_THAT(result.reason, AllOf(HasSubstr("watched for 1m of 1h"),
                                   HasSubstr("1 undeclared address, the last "
                                             "198.51.100.66")));
  Tried("198.51.100.66", 443, 1);
  result = Result();
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_THAT(result.reason,
              AllOf(HasSubstr("tried to reach 198.51.100.66 443/tcp (outside, "
                              "once)"),
                    HasSubstr("before its sensor was begun anew")));
}

TEST_F(AttemptsBefore, StandInEveryVerdictThatIsNotAPassToo) {
  Held("198.51.100.66", 443, 12);
  reading_.sensor_full = true;
  EXPECT_THAT(Result().reason, HasSubstr("1 undeclared address"));
  reading_.sensor_full = false;
  reading_.watching_since.reset();
  EXPECT_THAT(Result().reason, HasSubstr("1 undeclared address"));
  reading_.mode = Mode::kOpen;
  EXPECT_THAT(Result().reason, HasSubstr("1 undeclared address"));
}

TEST_F(AttemptsBefore, ThatWereNoneAreSaidToBeNone) {
  Held("10.77.0.11", 5432, 40);
  EXPECT_THAT(Result().reason,
              HasSubstr("its sensor was begun anew at 11-18 11:06:40 UTC, with "
                        "nothing undeclared before"));
  // Some had no room: nobody knows what they were.
  past_.peers_full = true;
  EXPECT_THAT(Result().reason, HasSubstr("at least 0 undeclared addresses"));
  EXPECT_EQ(Result().details.back(),
            "before: some more, there was no room for them");
}

TEST_F(AttemptsBefore, AreNotCutOffByALongVerdict) {
  Held("198.51.100.66", 443, 12);
  SensorNotes notes;
  for (int i = 1; i <= 9; ++i) {
    const std::string peer =
        "2001:db8:1111:2222:3333:4444:5555:" + std::to_string(6660 + i);
    Tried(peer, 65535, 1'000'000'000);
    notes.peers[{true, Protocol::kTcp, *Prefix::Parse(peer), 65535}].process = {
        "a-long-command", 4'000'000, "a-long-name-of-a.service", "somebody"};
  }
  context_.sensor = [&] { return notes; };
  const std::string reason = Result().reason.substr(0, 400);
  EXPECT_THAT(reason, AllOf(HasSubstr("and 8 more"),
                            HasSubstr("the last 198.51.100.66 443/tcp "
                                      "(outside, 12 times)")));
}

TEST_F(AttemptsBefore, FitIntoTheEvidenceWhateverTheirNumber) {
  for (int i = 0; i < 120; ++i) {
    const std::string end = std::to_string(i);
    for (const bool out : {true, false}) {
      Tried("198.51.100." + end, 443, 1, Protocol::kTcp, out);
      Held("198.51.100." + end, 443, 1, absl::ZeroDuration(), out);
    }
    for (const char* net : {"10.77.0.", "203.0.113."}) {
      Tried(net + end, 443);
      Held(net + end, 443, 1);
    }
    past_.held.names["n" + end + ".example"].times = 1;
  }
  SensorNotes notes = past_.held;
  notes.names_full = true;
  context_.sensor = [&] { return notes; };
  past_.times = 1000;
  past_.begun.resize(SensorPast::kMaxBegun, past_.begun[0]);
  past_.peers_full = true;
  const CheckResult result = Result();
  EXPECT_LE(result.details.size(), 256u) << "what an agent signs of one check";
  EXPECT_EQ(result.details.back(),
            "before: some more, there was no room for them");
  EXPECT_THAT(result.reason, HasSubstr("begun anew 1000 times, last at 11-18"));
}

TEST_F(AttemptsBefore, BegunInDoubtIsSaidSo) {
  Held("198.51.100.66", 443, 12);
  past_.begun.back().done = false;
  past_.begun.back().at = absl::InfinitePast();
  const CheckResult result = Result();
  EXPECT_THAT(result.reason,
              HasSubstr("before its sensor was perhaps begun anew, 1 undecl"));
  EXPECT_EQ(result.details[0],
            "sensor perhaps begun anew, in quarantine 7: isolated by ada: "
            "cleaned");
}

}  // namespace
}  // namespace sluice::agent
