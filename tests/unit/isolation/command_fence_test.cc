// The command driver's fence against points that obey, lie, break and hang.

#include "agents/isolation/command_fence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Json = nlohmann::json;

Flow F(const std::string& line) { return *Flow::Parse(line); }

const Flow kVital = F("tcp 10.9.0.5 10.9.0.9 3260");
const Flow kWeb = F("tcp 10.77.0.21 10.9.0.5 80");
const Flow kOut = F("tcp 10.9.0.5 10.77.0.31 5432");

// A point in memory, and a driver for it that can be made to misbehave.
class Point : public DriverProgram {
 public:
  absl::StatusOr<std::string> Run(const std::string& input) override {
    const Json asked = Json::parse(input);
    const std::string verb = asked["verb"];
    verbs.push_back(verb);
    last = asked;
    if (during) during(verb);
    if (broken.contains(verb)) return broken.at(verb);
    if (says.contains(verb)) return says.at(verb);
    if (verb != "read" && !lies) {
      std::set<std::string> flows;
      for (const Json& flow : asked["flows"]) flows.insert(flow);
      if (verb == "isolate") {
        isolated = true;
        passes = flows;
      } else if (verb == "open") {
        passes.insert(flows.begin(), flows.end());
      } else {
        for (const std::string& flow : flows) passes.erase(flow);
      }
    }
    Json answer = {{"ok", true}};
    if (verb == "read") {
      answer["isolated"] = isolated;
      answer["flows"] = passes;
      answer["cuts_sessions"] = cuts;
      answer["holds_leases"] = holds;
    }
    return answer.dump();
  }
  void Interrupt() override { ++interrupts; }

  bool isolated = false;
  bool cuts = true;
  bool holds = false;
  bool lies = false;  // says that it did, and does nothing
  std::set<std::string> passes;
  std::map<std::string, absl::Status> broken;  // by verb
  std::map<std::string, std::string> says;     // by verb
  std::vector<std::string> verbs;
  std::function<void(const std::string&)> during;
  Json last;
  int interrupts = 0;
};

class CommandFenceTest : public ::testing::Test {
 protected:
  absl::StatusOr<FenceReading> Isolate(std::vector<Flow> standing = {}) {
    FenceRules rules;
    rules.vital = {kVital};
    rules.standing = std::move(standing);
    return fence_.Replace(rules);
  }
  std::vector<std::string> Passing() {
    return {point_.passes.begin(), point_.passes.end()};
  }

  absl::Duration now_ = absl::Seconds(100);
  Point point_;
  CommandFence fence_{{.point = HostId("plc-1"),
                       .addresses = {*Prefix::Parse("10.9.0.5")},
                       .now = [this] { return now_; }},
                      &point_};
};

TEST_F(CommandFenceTest, SaysAnOpenPointIsOpen) {
  const auto reading = fence_.Read();
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_EQ(reading->mode, Mode::kOpen);
}

TEST_F(CommandFenceTest, IsolatesKeepsWhatIsVitalAndReadsItBack) {
  const auto reading = Isolate({kOut});
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_EQ(reading->mode, Mode::kQuarantined);
  EXPECT_THAT(reading->vital, ElementsAre(kVital));
  EXPECT_THAT(reading->standing, ElementsAre(kOut));
  EXPECT_THAT(reading->remark, IsEmpty());
  EXPECT_THAT(point_.verbs, ElementsAre("isolate", "read"));
  EXPECT_THAT(Passing(), UnorderedElementsAre(kVital.Line(), kOut.Line()));
}

TEST_F(CommandFenceTest, TellsTheDriverWhichPointAndOneVerb) {
  ASSERT_TRUE(Isolate().ok());
  ASSERT_TRUE(fence_.Open("sha256:a", absl::Seconds(10), {kWeb}).ok());
  point_.verbs.clear();
  point_.during = [this](const std::string& verb) {
    if (verb != "close") return;
    EXPECT_EQ(point_.last["host"], "plc-1");
    EXPECT_EQ(point_.last["sluice"], 1);
    EXPECT_EQ(point_.last["addresses"], Json({"10.9.0.5"}));
    EXPECT_EQ(point_.last["flows"], Json({kWeb.Line()}));
  };
  ASSERT_TRUE(fence_.Remove("sha256:a", {kWeb}).ok());
  EXPECT_THAT(point_.verbs, ElementsAre("close", "read"));
}

TEST_F(CommandFenceTest, OpensUnderALeaseThatItClosesItself) {
  ASSERT_TRUE(Isolate().ok());
  const auto opened = fence_.Open("sha256:a", absl::Seconds(10), {kWeb});
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->releases.size(), 1u);
  EXPECT_EQ(opened->releases[0].remaining, absl::Seconds(10));
  EXPECT_THAT(opened->releases[0].flows, ElementsAre(kWeb));
  now_ += absl::Seconds(9);
  ASSERT_TRUE(fence_.Renew({{"sha256:a", absl::Seconds(10)}}).ok());
  now_ += absl::Seconds(9);
  EXPECT_EQ(fence_.Read()->releases[0].remaining, absl::Seconds(1));
  now_ += absl::Seconds(1);
  const auto closed = fence_.Read();
  ASSERT_TRUE(closed.ok()) << closed.status();
  EXPECT_EQ(closed->releases[0].remaining, absl::ZeroDuration());
  EXPECT_THAT(Passing(), ElementsAre(kVital.Line()));
  EXPECT_FALSE(fence_.Renew({{"sha256:a", absl::Seconds(10)}}).ok());
  EXPECT_FALSE(fence_.Confirm("sha256:a", {kWeb}).ok());
}

TEST_F(CommandFenceTest, DoesNotSayClosedWhatItCouldNotClose) {
  ASSERT_TRUE(Isolate().ok());
  ASSERT_TRUE(fence_.Open("sha256:a", absl::Seconds(10), {kWeb}).ok());
  now_ += absl::Seconds(11);
  point_.lies = true;
  EXPECT_THAT(std::string(fence_.Read().status().message()),
              AllOf(HasSubstr("may be open still"), HasSubstr(kWeb.Line())));
  point_.lies = false;
  EXPECT_TRUE(fence_.Read().ok());
  EXPECT_THAT(Passing(), ElementsAre(kVital.Line()));
}

TEST_F(CommandFenceTest, KeepsAFlowThatAnotherReleaseStillWants) {
  ASSERT_TRUE(Isolate().ok());
  ASSERT_TRUE(fence_.Open("sha256:a", absl::Seconds(10), {kWeb}).ok());
  ASSERT_TRUE(fence_.Open("sha256:b", absl::Seconds(60), {kWeb, kOut}).ok());
  now_ += absl::Seconds(11);
  EXPECT_TRUE(fence_.Read().ok());
  EXPECT_TRUE(point_.passes.contains(kWeb.Line()));
  ASSERT_TRUE(fence_.Remove("", {kWeb}).ok());
  EXPECT_FALSE(point_.passes.contains(kWeb.Line()));
}

// S3 is kept by such a point itself, as long as it is told how long.
TEST_F(CommandFenceTest, RenewsAtAPointThatClosesByItself) {
  point_.holds = true;
  ASSERT_TRUE(Isolate().ok());
  ASSERT_TRUE(fence_.Open("sha256:a", absl::Seconds(10), {kWeb}).ok());
  std::vector<int> leases;
  point_.during = [&](const std::string& verb) {
    if (verb == "open") leases.push_back(point_.last["lease"]);
  };
  for (int second = 1; second <= 8; ++second) {
    now_ += absl::Seconds(1);
    ASSERT_TRUE(fence_.Renew({{"sha256:a", absl::Seconds(10)}}).ok());
  }
  EXPECT_THAT(leases, ElementsAre(10));
  ASSERT_TRUE(fence_.Confirm("sha256:a", {kWeb}).ok());
  EXPECT_THAT(leases, ElementsAre(10, 0));
}

TEST_F(CommandFenceTest, ConfirmsWithoutTheDriverAndStandsWithoutALease) {
  ASSERT_TRUE(Isolate().ok());
  ASSERT_TRUE(fence_.Open("sha256:a", absl::Seconds(10), {kWeb}).ok());
  const auto reading = fence_.Confirm("sha256:a", {kWeb});
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_THAT(reading->standing, ElementsAre(kWeb));
  EXPECT_THAT(reading->releases, IsEmpty());
  now_ += absl::Hours(1);
  EXPECT_THAT(fence_.Read()->standing, ElementsAre(kWeb));
}

// ── drivers that are wrong ──────────────────────────────────────────────────

TEST_F(CommandFenceTest, CountsNoSuccessThatReadDoesNotShow) {
  point_.lies = true;
  EXPECT_THAT(std::string(Isolate().status().message()),
              HasSubstr("`read` says that plc-1 is not isolated"));
  point_.isolated = true;
  point_.passes = {kVital.Line(), kWeb.Line()};
  EXPECT_THAT(std::string(Isolate().status().message()),
              HasSubstr(absl::StrCat(kWeb.Line(), " still passes")));
  point_.passes = {};
  EXPECT_THAT(std::string(Isolate().status().message()),
              HasSubstr(absl::StrCat(kVital.Line(), " does not pass")));
}

TEST_F(CommandFenceTest, TakesBackWhatItMayHaveOpenedInPart) {
  ASSERT_TRUE(Isolate().ok());
  point_.during = [this](const std::string& verb) {
    if (verb == "open") point_.passes.insert(kOut.Line());
  };
  point_.broken["open"] = absl::UnavailableError("ended with 3");
  const auto opened = fence_.Open("sha256:a", absl::Seconds(10), {kWeb, kOut});
  EXPECT_THAT(std::string(opened.status().message()),
              HasSubstr("asked to 'open', ended with 3"));
  EXPECT_THAT(Passing(), ElementsAre(kVital.Line()));
  EXPECT_THAT(fence_.Read()->releases, IsEmpty());
}

TEST_F(CommandFenceTest, SaysSoWhenThatCannotBeTakenBackEither) {
  ASSERT_TRUE(Isolate().ok());
  point_.broken["open"] = absl::UnavailableError("ended with 3");
  point_.broken["close"] = absl::UnavailableError("ended with 4");
  const auto opened = fence_.Open("sha256:a", absl::Seconds(10), {kWeb});
  EXPECT_THAT(std::string(opened.status().message()),
              AllOf(HasSubstr("ended with 3"), HasSubstr("ended with 4"),
                    HasSubstr("was not closed again")));
}

TEST_F(CommandFenceTest, ShowsWhatAnotherHandOpened) {
  ASSERT_TRUE(Isolate().ok());
  const std::string before = fence_.Read()->rules_digest;
  point_.passes.insert(kOut.Line());
  const auto reading = fence_.Read();
  EXPECT_THAT(reading->standing, ElementsAre(kOut));
  EXPECT_NE(reading->rules_digest, before);
}

TEST_F(CommandFenceTest, BelievesNoAnswerThatIsNone) {
  ASSERT_TRUE(Isolate().ok());
  const std::pair<const char*, const char*> answers[] = {
      {"", "it said nothing"},
      {"done\n", "no JSON object"},
      {"[1]", "no JSON object"},
      {"{\"ok\": \"yes\"}", "gives no reason"},
      {"{\"ok\": false, \"error\": \"no\\u001b[2J route\"}", "no [2J route"},
      {"{\"ok\": true}", "lacks `isolated`"},
      {"{\"ok\": true, \"isolated\": true, \"flows\": [5]}", "a flow that is"},
      {"{\"ok\": true, \"isolated\": true, \"flows\": [\"all\"]}", "all"},
  };
  for (const auto& [answer, why] : answers) {
    point_.says["read"] = answer;
    EXPECT_THAT(std::string(fence_.Read().status().message()), HasSubstr(why));
  }
  std::string many = R"({"ok": true, "isolated": true, "flows": ["")";
  for (int i = 0; i < 20'000; ++i) many += ",\"\"";
  point_.says["read"] = many + "]}";
  EXPECT_THAT(std::string(fence_.Read().status().message()),
              HasSubstr("20001 flows"));
  point_.says["read"] = std::string(100'000, '[');
  EXPECT_FALSE(fence_.Read().ok());
}

TEST_F(CommandFenceTest, SaysThatSessionsFromBeforeAreNotCut) {
  point_.cuts = false;
  EXPECT_THAT(Isolate()->remark, HasSubstr("S4"));
}

TEST_F(CommandFenceTest, NeverTakesAFenceAway) {
  ASSERT_TRUE(Isolate().ok());
  FenceRules open;
  open.mode = Mode::kOpen;
  EXPECT_FALSE(fence_.Replace(open).ok());
  EXPECT_TRUE(point_.isolated);
}

// S5: an isolation that waits ends what opens or looks, and nothing that
// closes.
TEST_F(CommandFenceTest, IsInterruptedInWhatDoesNotCloseAlone) {
  std::map<std::string, int> interrupts;
  point_.during = [&](const std::string& verb) {
    const int before = point_.interrupts;
    fence_.Interrupt();
    interrupts[verb] += point_.interrupts - before;
  };
  ASSERT_TRUE(Isolate().ok());
  EXPECT_EQ(interrupts["isolate"], 0);
  EXPECT_EQ(interrupts["read"], 0);
  ASSERT_TRUE(fence_.Open("sha256:a", absl::Seconds(10), {kWeb}).ok());
  EXPECT_EQ(interrupts["open"], 1);
  EXPECT_EQ(interrupts["read"], 1);
  ASSERT_TRUE(fence_.Remove("sha256:a", {kWeb}).ok());
  EXPECT_EQ(interrupts["close"], 0);
  EXPECT_EQ(interrupts["read"], 1);
}

}  // namespace
}  // namespace sluice::agent
