// Break-glass: people's word, by the key that the host's own file pins.

#include "agents/core/glass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;

constexpr char kKey[] = "key-of-the-safe";
constexpr char kOther[] = "tcp 10.77.0.50 10.77.0.21 22";

class GlassHost : public ReleasedHost {
 public:
  GlassHost() {
    break_glass = kKey;
    StartAgent();
    Connect();
    Freeze("r/9/0", "apps/2");
    said.clear();
  }

  BreakGlass Draft(std::vector<std::string> flows = {}) const {
    BreakGlass glass;
    glass.estate = EstateId("city-utility");
    glass.host = HostId("app-1");
    glass.quarantine_number = state().quarantine_number;
    glass.boot = "boot-1";
    glass.drafted_seconds = absl::ToInt64Seconds(now);
    glass.valid_seconds = 60;
    glass.reason = "the orchestrator burnt";
    for (const std::string& line : flows) glass.flows.push_back(F(line));
    std::sort(glass.flows.begin(), glass.flows.end());
    return glass;
  }

  TellRoot Use(const std::string& text, const std::string& key = kKey,
               absl::string_view purpose = signed_as::kBreakGlass) {
    told.clear();
    Feed(ReleasedLocally{text, testing::ToySign(key, purpose, text)});
    SLUICE_CHECK(told.size() == 1);
    return told[0];
  }
  std::string Refusal(const BreakGlass& glass) {
    const TellRoot tell = Use(glass.Body());
    EXPECT_FALSE(tell.done);
    return tell.sentence;
  }
};

TEST(Glass, OpensEverythingAndSaysSoUntilItIsNoted) {
  GlassHost host;
  const std::string text = host.Draft().Body();
  const TellRoot tell = host.Use(text);
  EXPECT_TRUE(tell.done) << tell.sentence;
  EXPECT_TRUE(host.Passes(kOther));
  EXPECT_EQ(host.fence_problem(), "");
  EXPECT_EQ(host.Last<GlassBroken>().text, text);
  EXPECT_FALSE(host.Last<GlassBroken>().over);
  EXPECT_EQ(host.Last<GlassBroken>().fence.mode, Mode::kOpen);
  // A later link, another process, a reboot: it is open, and said again.
  host.Pass(absl::Hours(2));
  host.said.clear();
  host.StartAgent("boot-2");
  host.Connect();
  EXPECT_TRUE(host.Passes(kOther));
  EXPECT_EQ(host.Last<Hello>().fence.broken_glass,
            std::vector<std::string>{Sha256(text)});
  EXPECT_EQ(host.Last<GlassBroken>().text, text);
  EXPECT_EQ(host.Give("r/20/0", GlassNoted{Sha256(text)}).outcome,
            Outcome::kDone);
  host.said.clear();
  host.StartAgent("boot-2");
  host.Connect();
  EXPECT_TRUE(host.All<GlassBroken>().empty());
  EXPECT_EQ(host.Last<Hello>().fence.broken_glass.size(), 1u);
}

TEST(Glass, OpensNamedFlowsAloneAndTheyStandAfterAReboot) {
  GlassHost host;
  EXPECT_TRUE(host.Use(host.Draft({kOther}).Body()).done);
  EXPECT_TRUE(host.Passes(kOther));
  EXPECT_FALSE(host.Passes(kWebFlow));
  host.Pass(absl::Hours(2));
  EXPECT_TRUE(host.Passes(kOther)) << "it stands; nobody has to renew it";
  host.StartAgent("boot-2");
  EXPECT_TRUE(host.Passes(kOther));
  EXPECT_FALSE(host.Passes(kWebFlow));
  EXPECT_EQ(host.state().mode, Mode::kQuarantined);
}

TEST(Glass, LeavesWhatIsLeasedByPeopleAlone) {
  GlassHost host;
  ASSERT_EQ(host.Give("r/4/0", host.Opening()).outcome, Outcome::kDone);
  EXPECT_TRUE(host.Use(host.Draft({kOther, kWebFlow}).Body()).done);
  host.PassRenewing(absl::Seconds(5), host.digest);
  EXPECT_TRUE(host.Passes(kOther));
  EXPECT_TRUE(host.Passes(kDbFlow));
  // The lease ends; what was opened by break-glass stands.
  host.Pass(absl::Minutes(5));
  EXPECT_TRUE(host.Passes(kWebFlow));
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Glass, IsVoidAfterAnIsolationAndCannotBeUsedAgain) {
  GlassHost host;
  const std::string text = host.Draft().Body();
  ASSERT_TRUE(host.Use(text).done);
  host.Feed(IsolatedLocally{"root"});
  EXPECT_FALSE(host.Passes(kOther));
  const TellRoot tell = host.Use(text);
  EXPECT_FALSE(tell.done);
  EXPECT_THAT(tell.sentence, HasSubstr("an isolation has voided it"));
  EXPECT_FALSE(host.Passes(kOther));
  // It is said all the same, as what is over.
  host.said.clear();
  host.Connect(2, "two");
  EXPECT_TRUE(host.Last<GlassBroken>().over);
  EXPECT_TRUE(host.Last<Hello>().fence.broken_glass.empty());
  host.Give("r/20/0", GlassNoted{Sha256(text)}, 2);
  EXPECT_TRUE(host.state().glass.empty());
}

TEST(Glass, FlowsCloseWithTheirPeer) {
  GlassHost host;
  const std::string text = host.Draft({kOther, kWebFlow}).Body();
  ASSERT_TRUE(host.Use(text).done);
  Withdraw away{{}, "it calls home"};
  away.peers = {*Prefix::Parse("10.77.0.50")};
  EXPECT_EQ(host.Give("r/21/0", away).outcome, Outcome::kDone);
  EXPECT_FALSE(host.Passes(kOther));
  EXPECT_TRUE(host.Passes(kWebFlow));
  // Neither the same text nor one from before opens it again.
  host.Use(text);
  EXPECT_FALSE(host.Passes(kOther));
  BreakGlass before = host.Draft({kOther});
  before.reason = "another";
  EXPECT_THAT(host.Refusal(before), HasSubstr("was isolated"));
  host.StartAgent();
  EXPECT_FALSE(host.Passes(kOther));
}

TEST(Glass, IsRefused) {
  GlassHost host;
  BreakGlass wrong = host.Draft();
  wrong.host = HostId("app-2");
  EXPECT_THAT(host.Refusal(wrong), HasSubstr("about host app-2"));
  wrong = host.Draft();
  wrong.estate = EstateId("other");
  EXPECT_THAT(host.Refusal(wrong), HasSubstr("of estate other"));
  wrong = host.Draft();
  wrong.reason = "";
  EXPECT_THAT(host.Refusal(wrong), HasSubstr("no reason"));
  wrong = host.Draft();
  wrong.boot = "boot-0";
  EXPECT_THAT(host.Refusal(wrong), HasSubstr("last start"));
  wrong = host.Draft();
  wrong.drafted_seconds += 100;
  EXPECT_THAT(host.Refusal(wrong), HasSubstr("last start"));
  const std::string text = host.Draft().Body();
  EXPECT_THAT(host.Use(text, "key-of-duty-commander").sentence,
              HasSubstr("not signed with the break-glass key"));
  EXPECT_THAT(host.Use(text, kKey, signed_as::kDecision).sentence,
              HasSubstr("not signed with the break-glass key"));
  host.Pass(absl::Seconds(62));
  EXPECT_THAT(host.Use(text).sentence, HasSubstr("within 60 s"));
  host.told.clear();
  host.Feed(ReleasedLocally{std::string(1 << 20, 'x'), "y"});
  EXPECT_FALSE(host.told.at(0).done);
  EXPECT_FALSE(host.Passes(kOther));
  EXPECT_TRUE(host.state().glass.empty());
}

TEST(Glass, WithoutAKeyPinnedOpensNothing) {
  GlassHost host;
  host.break_glass = "";
  host.StartAgent();
  EXPECT_THAT(host.Use(host.Draft().Body()).sentence,
              HasSubstr("pins no break-glass key"));
  EXPECT_THAT(host.Use(host.Draft().Body(), "").sentence,
              HasSubstr("pins no break-glass key"));
  EXPECT_FALSE(host.Passes(kOther));
}

TEST(Glass, VoidsWhatPeopleWereShown) {
  GlassHost host;
  EXPECT_TRUE(host.Use(host.Draft({kOther}).Body()).done);
  EXPECT_EQ(host.Give("r/4/0", host.Opening()).outcome, Outcome::kRefused);
}

TEST(Glass, ThatTheKernelDidNotTakeIsSaidAndUndone) {
  GlassHost host;
  host.fence.undone = true;
  EXPECT_FALSE(host.Use(host.Draft().Body()).done);
  host.fence.undone = false;
  host.Pass(absl::Seconds(2));
  EXPECT_FALSE(host.Passes(kOther));
  EXPECT_TRUE(host.state().glass.empty());
  EXPECT_EQ(host.state().mode, Mode::kQuarantined);
}

TEST(Glass, IsBoundedWhileNobodyHearsOfIt) {
  GlassHost host;
  host.Feed(LinkDown{});
  for (size_t i = 0; i < AgentState::kMaxGlass; ++i) {
    BreakGlass glass = host.Draft({kOther});
    glass.reason = absl::StrCat("reason ", i);
    ASSERT_TRUE(host.Use(glass.Body()).done) << i;
  }
  EXPECT_THAT(host.Refusal(host.Draft({kOther})), HasSubstr("32 times"));
  const auto read = AgentState::Decode(host.state().Encode());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->glass, host.state().glass);
}

}  // namespace
}  // namespace sluice::agent
