#include "agents/core/state.h"

#include <gtest/gtest.h>

#include "common/digest.h"
#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

std::string SavedText() {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(31), host.digest);
  host.Give("r/5/0",
            Confirm{host.digest, {GrantId("engine>db:postgres")}, StepId("e")});
  host.Give("r/6/0", Withdraw{{GrantId("portal>engine:web")}, "failed"});
  return *host.store.Load();
}

TEST(State, ReadsBackAsItWasWritten) {
  const std::string text = SavedText();
  const absl::StatusOr<AgentState> state = AgentState::Decode(text);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->Encode(), text);
  EXPECT_EQ(state->mode, Mode::kQuarantined);
  EXPECT_EQ(state->epoch, 1u);
  ASSERT_EQ(state->releases.size(), 1u);
  const KnownRelease& release = state->releases.begin()->second;
  EXPECT_EQ(release.grants.at(GrantId("engine>db:postgres")).state,
            Grant::State::kStanding);
  EXPECT_EQ(release.grants.at(GrantId("portal>engine:web")).state,
            Grant::State::kWithdrawn);
}

TEST(State, KeepsWhomTheHostBelieves) {
  AgentState state = *AgentState::Decode(SavedText());
  state.rotation = "sluice rotation 1\nanswer like a line of the state\n";
  state.delegations[OperatorId("a")] = {"one\ntwo\n", absl::Seconds(5), "k"};
  state.delegations[OperatorId("b")] = {"", absl::ZeroDuration(), "l", true};
  const absl::StatusOr<AgentState> read = AgentState::Decode(state.Encode());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->rotation, state.rotation);
  EXPECT_EQ(read->delegations.at(OperatorId("a")).seen_at, absl::Seconds(5));
  EXPECT_EQ(read->delegations.at(OperatorId("a")).text, "one\ntwo\n");
  EXPECT_TRUE(read->delegations.at(OperatorId("b")).spent);
  EXPECT_EQ(read->Encode(), state.Encode());
}

TEST(State, IsRefusedWhereverItIsCut) {
  const std::string text = SavedText();
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(AgentState::Decode(text.substr(0, length)).ok()) << length;
  }
}

TEST(State, IsRefusedWhateverByteChanges) {
  const std::string text = SavedText();
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] ^= 1;
    EXPECT_FALSE(AgentState::Decode(changed).ok()) << i;
  }
}

TEST(State, IsRefusedWithAnythingAfterIt) {
  EXPECT_FALSE(AgentState::Decode(SavedText() + "\n").ok());
  EXPECT_FALSE(AgentState::Decode("").ok());
}

TEST(State, IsRefusedInAnotherSpellingEvenWithAFittingDigest) {
  std::string text = SavedText();
  text.resize(text.rfind("digest "));
  const size_t serial = text.find("serial ");
  text.replace(serial, 7, "serial 0");
  absl::StrAppend(&text, "digest ", Sha256(text), "\n");
  EXPECT_FALSE(AgentState::Decode(text).ok());
}

TEST(State, SerialCountsUpAtEachSave) {
  ReleasedHost host;
  const uint64_t before = host.state().serial;
  host.Give("r/8/0", IsolateHost{"again"});
  EXPECT_EQ(AgentState::Decode(*host.store.Load())->serial, before + 1);
}

TEST(State, KeepsABoundedMemoryOfAnswers) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  for (int i = 0; i < 300; ++i) {
    host.Give(absl::StrCat("r/", i, "/0"), IsolateHost{"again"});
  }
  EXPECT_EQ(AgentState::Decode(*host.store.Load())->answers.size(), 256u);
}

TEST(OneLine, KeepsUtf8AndDropsWhatCouldPoseAsAnotherLine) {
  EXPECT_EQ(OneLine("señal ok", 100), "señal ok");
  EXPECT_EQ(OneLine("a\nb\tc\x7f", 100), "a b c");
  EXPECT_EQ(OneLine("\xff\xc0\x80 x", 100), "??? x");
  EXPECT_EQ(OneLine("ñññ", 3), "ñ");
  EXPECT_EQ(OneLine("\xed\xa0\x80", 100), "???");
}

}  // namespace
}  // namespace sluice::agent
