// A host that was cleaned is watched again: the sensor begins anew by a
// person's act, once, and what it held is not hidden by that.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::SizeIs;

constexpr char kBeacon[] = "203.0.113.66";
const absl::Time kSeen = absl::FromUnixMillis(1'795'000'000'123);

Attempt Tried(const std::string& peer, uint64_t packets, bool outbound = true) {
  return {outbound, Protocol::kTcp, *Prefix::Parse(peer), 443, packets};
}

PeerKey KeyOf(const std::string& peer, bool outbound = true) {
  return {outbound, Protocol::kTcp, *Prefix::Parse(peer), 443};
}

class SensorAnew : public ::testing::Test {
 protected:
  SensorAnew() {
    host_.StartAgent();
    host_.Connect();
    host_.Give("r/1/0", IsolateHost{"found a beacon"});
    Call(kBeacon, 12);
    host_.notes.names["update.evil.example"] = {
        4, kSeen, kSeen, {"curl", 812, "evil.service", "www data"}};
    host_.notes.taken = kSeen + absl::Minutes(5);
  }
  // As the kernel counts it, and the notes beside it.
  void Call(const std::string& peer, uint64_t times,
            absl::Duration after = absl::ZeroDuration()) {
    host_.memory().Refused(Tried(peer, times));
    Sighting& note = host_.notes.peers[KeyOf(peer)];
    note.At(kSeen + after);
    note.times += times;
    note.process = {"curl", 812, "evil.service", "www data"};
  }
  std::vector<Attempt> Held() { return host_.fence.Read()->attempts; }
  SensorPast Past() const {
    return host_.state().past == nullptr ? SensorPast() : *host_.state().past;
  }
  AgentState OnDisk() { return *AgentState::Decode(*host_.store.Load()); }

  BenchHost host_;
  int orders_ = 1;
};

const IsolateHost kAnew = {"isolated by ada: cleaned in place", "1a2b3c4d/7"};

TEST_F(SensorAnew, IsNotWhatAnOrdinaryIsolationDoes) {
  EXPECT_EQ(host_.Give("r/2/0", IsolateHost{"again"}).outcome, Outcome::kDone);
  host_.Feed(IsolatedLocally{"root did"});
  EXPECT_THAT(Held(), SizeIs(1));
  EXPECT_EQ(host_.state().past, nullptr);
  EXPECT_EQ(OnDisk().past, nullptr);
}

TEST_F(SensorAnew, EmptiesItAndKeepsWhatItHeld) {
  const Report report = host_.Give("r/2/0", kAnew);
  EXPECT_EQ(report.outcome, Outcome::kDone);
  EXPECT_EQ(report.reason, "");
  EXPECT_EQ(report.fence.quarantine_number, 2u);
  EXPECT_EQ(report.fence.sensor_anew, "1a2b3c4d/7");
  EXPECT_THAT(Held(), IsEmpty());
  const SensorPast past = Past();
  EXPECT_EQ(past.times, 1u);
  EXPECT_THAT(past.begun, ElementsAre(SensorPast::Begun{
                              "1a2b3c4d/7", "isolated by ada: cleaned in place",
                              2, kSeen + absl::Minutes(5), true}));
  ASSERT_THAT(past.held.peers, ElementsAre(Key(KeyOf(kBeacon))));
  const Sighting& beacon = past.held.peers.begin()->second;
  EXPECT_EQ(beacon.times, 12u);
  EXPECT_EQ(beacon.last, kSeen);
  EXPECT_EQ(beacon.process.user, "www data");
  EXPECT_THAT(past.held.names, ElementsAre(Key("update.evil.example")));
}

TEST_F(SensorAnew, IsToldToEveryCheckFromThenOn) {
  host_.hold_checks = true;
  host_.Order("r/2/0", RunChecks{{Inspection("a")}});
  ASSERT_THAT(host_.held, SizeIs(1));
  EXPECT_EQ(host_.held.back().past, nullptr);
  host_.Give("r/3/0", kAnew);
  host_.Order("r/4/0", RunChecks{{Inspection("a")}});
  host_.Order("r/5/0", FreezeEvidence{"data/1", {Inspection("a")}});
  host_.Order("r/6/0", Watch{StepId("s"), {Inspection("a")}});
  ASSERT_THAT(host_.held, SizeIs(4));
  for (size_t i = 1; i < host_.held.size(); ++i) {
    ASSERT_NE(host_.held[i].past, nullptr);
    EXPECT_EQ(host_.held[i].past->held.peers.size(), 1u);
  }
}

TEST_F(SensorAnew, SurvivesARestartAndAReboot) {
  host_.Give("r/2/0", kAnew);
  for (const char* boot : {"boot-1", "boot-2"}) {
    host_.StartAgent(boot);
    host_.said.clear();
    host_.Connect();
    EXPECT_EQ(host_.Last<Hello>().fence.sensor_anew, "1a2b3c4d/7");
    EXPECT_EQ(Past().held.peers.at(KeyOf(kBeacon)).times, 12u);
    EXPECT_EQ(Past().begun.back().at, kSeen + absl::Minutes(5));
    EXPECT_EQ(Past().held.names.begin()->second.process.user, "www data");
  }
}

// Its answer was lost, and the order came again as another.
TEST_F(SensorAnew, HappensOnceForOneAct) {
  host_.Give("r/2/0", kAnew);
  Call("203.0.113.67", 1);
  const Report again = host_.Give("r/3/0", kAnew);
  EXPECT_EQ(again.outcome, Outcome::kDone);
  EXPECT_EQ(again.fence.quarantine_number, 3u);
  EXPECT_EQ(again.fence.sensor_anew, "1a2b3c4d/7");
  EXPECT_THAT(Held(), SizeIs(1));
  EXPECT_EQ(Past().times, 1u);
}

TEST_F(SensorAnew, AddsUpWhatEachTimeHeld) {
  host_.Give("r/2/0", kAnew);
  host_.notes = {};
  Call(kBeacon, 3, absl::Hours(1));
  Call("203.0.113.67", 1, absl::Hours(1));
  host_.Give("r/3/0", IsolateHost{"isolated by ada: again", "1a2b3c4d/9"});
  EXPECT_EQ(Past().times, 2u);
  EXPECT_EQ(Past().held.peers.at(KeyOf(kBeacon)).times, 15u);
  EXPECT_EQ(Past().held.peers.at(KeyOf(kBeacon)).first, kSeen);
  EXPECT_EQ(Past().held.peers.at(KeyOf(kBeacon)).last, kSeen + absl::Hours(1));
  EXPECT_THAT(Past().held.peers, SizeIs(2));
}

// S5: everything is closed before anything is written; S9: and nothing is
// emptied before it is written down.
TEST_F(SensorAnew, ClosesFirstThenWritesThenEmpties) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.memory().Refused(Tried(kBeacon, 12));
  ASSERT_TRUE(host.Passes(kDbFlow));
  host.disk_hangs = true;
  host.Order("r/5/0", kAnew);
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_THAT(host.fence.Read()->attempts, SizeIs(1));
  host.EndHang();
  EXPECT_THAT(host.fence.Read()->attempts, IsEmpty());
  EXPECT_EQ(host.Last<Report>().outcome, Outcome::kDone);
}

TEST_F(SensorAnew, GoesOnAsItWasWhereNothingCanBeWrittenDown) {
  host_.store.FailWith(absl::ResourceExhaustedError("no space left"));
  const Report full = host_.Give("r/2/0", kAnew);
  EXPECT_EQ(full.outcome, Outcome::kDone);
  EXPECT_EQ(full.fence.quarantine_number, 2u);
  EXPECT_EQ(full.fence.sensor_anew, "");
  EXPECT_THAT(Held(), SizeIs(1));
  EXPECT_EQ(host_.state().past, nullptr);
  host_.store.FailWith(absl::OkStatus());

  host_.disk_hangs = true;
  host_.said.clear();
  host_.Order("r/3/0", kAnew);
  host_.Pass(absl::Seconds(2));
  EXPECT_EQ(host_.Last<Report>().outcome, Outcome::kDone);
  EXPECT_EQ(host_.Last<Report>().fence.sensor_anew, "");
  host_.EndHang();
  EXPECT_THAT(Held(), SizeIs(1));
  EXPECT_EQ(OnDisk().past, nullptr);
  // Asked once more, with a disk that works, it is done.
  EXPECT_EQ(host_.Give("r/4/0", kAnew).fence.sensor_anew, "1a2b3c4d/7");
  EXPECT_THAT(Held(), IsEmpty());
}

// What came while the account was being written down is in it.
TEST_F(SensorAnew, LosesNothingOfTheMeantime) {
  host_.disk_hangs = true;
  host_.Order("r/2/0", kAnew);
  Call(kBeacon, 1);
  Call("203.0.113.67", 1, absl::Minutes(1));
  host_.EndHang();
  EXPECT_THAT(Held(), IsEmpty());
  EXPECT_EQ(Past().held.peers.at(KeyOf(kBeacon)).times, 13u);
  EXPECT_THAT(Past().held.peers, SizeIs(2));
  EXPECT_EQ(OnDisk().past->held.peers.size(), 2u);
}

TEST_F(SensorAnew, CutShortIsSaidToBeInDoubtAndIsDoneWhenItIsAskedAgain) {
  host_.disk_hangs = true;
  host_.Order("r/2/0", kAnew);
  host_.WriteHeldSaves();  // and the power fails
  host_.disk_hangs = false;
  host_.StartAgent();
  host_.Connect();
  EXPECT_EQ(host_.Last<Hello>().fence.sensor_anew, "");
  EXPECT_FALSE(Past().begun.back().done);
  EXPECT_THAT(Held(), SizeIs(1));
  EXPECT_EQ(host_.Give("r/2/0", kAnew).fence.sensor_anew, "1a2b3c4d/7");
  EXPECT_THAT(Held(), IsEmpty());
  EXPECT_TRUE(Past().begun.back().done);
  // The same that was written down then is not counted twice.
  EXPECT_EQ(Past().times, 1u);
  EXPECT_EQ(Past().held.peers.at(KeyOf(kBeacon)).times, 12u);
}

TEST_F(SensorAnew, ThatTheKernelRefusesIsNoIsolationThatSaysSo) {
  host_.fence.failure = absl::UnavailableError("busy");
  const Report report = host_.Give("r/2/0", kAnew);
  EXPECT_EQ(report.outcome, Outcome::kFailed);
  EXPECT_EQ(report.fence.sensor_anew, "");
  host_.fence.failure = absl::OkStatus();
  host_.Pass(absl::Seconds(2));
  EXPECT_THAT(Held(), SizeIs(1)) << "put up again, the sensor as it was";
  EXPECT_EQ(host_.state().past, nullptr);
}

TEST_F(SensorAnew, WithANameThatIsNoneIsAnOrdinaryIsolation) {
  for (const std::string& act :
       {std::string("a b"), std::string("a\nbegun x"), std::string(81, 'x')}) {
    const Report report = host_.Give(absl::StrCat("r/", ++orders_, "/0"),
                                     IsolateHost{"why", act});
    EXPECT_EQ(report.outcome, Outcome::kDone);
    EXPECT_THAT(report.reason, HasSubstr("sensor goes on"));
    EXPECT_THAT(Held(), SizeIs(1));
  }
}

TEST(SensorPast, IsBoundedAndKeepsWhatWentOut) {
  SensorPast past;
  for (int i = 0; i < 10; ++i) {
    SensorNotes notes;
    std::vector<Attempt> attempts;
    for (int k = 0; k < 100; ++k) {
      const std::string peer = absl::StrCat("198.51.", i, ".", k);
      attempts.push_back(Tried(peer, 1, /*outbound=*/k % 2 == 0));
      notes.peers[KeyOf(peer, k % 2 == 0)].At(kSeen + absl::Hours(i));
      notes.names[absl::StrCat("n", i, "-", k, ".example")] = {1, kSeen, kSeen};
    }
    notes.names[std::string(300, 'x')] = {1, kSeen, kSeen};
    past.Add(attempts, notes);
    past.Begin({.act = absl::StrCat("act/", i), .done = true});
  }
  EXPECT_EQ(past.held.peers.size(), SensorPast::kMaxPeers);
  EXPECT_TRUE(past.peers_full);
  EXPECT_TRUE(past.held.names_full);
  EXPECT_EQ(past.held.names.size(), SensorPast::kMaxNames);
  for (const auto& [key, seen] : past.held.peers) EXPECT_TRUE(key.outbound);
  EXPECT_TRUE(past.held.peers.contains(KeyOf("198.51.9.0")));
  EXPECT_FALSE(past.held.peers.contains(KeyOf("198.51.0.0")));
  EXPECT_EQ(past.times, 10u);
  EXPECT_EQ(past.begun.size(), SensorPast::kMaxBegun);
  EXPECT_EQ(past.LastDone(), "act/9");
}

TEST(SensorPast, IsWrittenWholeWhateverStandsInIt) {
  AgentState state;
  state.estate = EstateId("e");
  state.host = HostId("h");
  state.boot_id = "b";
  EXPECT_EQ(state.Encode().find("\nsensor "), std::string::npos)
      << "the state of before there was this is the same text";
  SensorPast past;
  past.times = 3;
  past.peers_full = true;
  past.begun = {{"a/1", "100% of\nit, \xc3\xa9", 7, kSeen, false},
                {"a/2", "", 8}};
  past.held.peers[KeyOf("fd77::1", false)] = {
      9, kSeen, kSeen + absl::Hours(1), {"a b%20", -1, "", "x\xff"}};
  past.held.peers[KeyOf(kBeacon)] = {};
  past.held.names[" %"] = {1, kSeen, kSeen};
  state.past = std::make_shared<const SensorPast>(past);
  const auto read = AgentState::Decode(state.Encode());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->past->begun, past.begun);
  EXPECT_EQ(read->past->times, 3u);
  EXPECT_TRUE(read->past->peers_full);
  EXPECT_FALSE(read->past->held.names_full);
  EXPECT_EQ(read->past->held.peers.at(KeyOf("fd77::1", false)),
            past.held.peers.at(KeyOf("fd77::1", false)));
  EXPECT_EQ(read->past->held.names, past.held.names);
  // A digest that fits is not enough: one text a state.
  std::string other = state.Encode();
  other.replace(other.find("%20%25"), 3, "%2");
  EXPECT_FALSE(AgentState::Decode(other).ok());
}

}  // namespace
}  // namespace sluice::agent
