#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/core/bench_host.h"

namespace sluice::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Isolation, IsAcknowledgedAfterTheKernelWasReadBackAndTheStateSaved) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  EXPECT_TRUE(host.Passes(kDbFlow));
  const Report report = host.Give("r/1/0", IsolateHost{"found a beacon"});
  EXPECT_EQ(report.outcome, Outcome::kDone);
  EXPECT_EQ(report.fence.mode, Mode::kQuarantined);
  EXPECT_EQ(report.fence.quarantine_number, 1u);
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes("tcp 10.77.0.21 10.77.0.1 7443"));
  EXPECT_TRUE(host.Passes("tcp 10.77.0.21 10.77.0.3 3260"));
  const AgentState saved = *AgentState::Decode(*host.store.Load());
  EXPECT_EQ(saved.mode, Mode::kQuarantined);
  EXPECT_EQ(saved.quarantine_number, 1u);
}

TEST(Isolation, CountsUpEachTimeAndARepeatedOrderDoesNot) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.Give("r/1/0", IsolateHost{"one"});
  const Report repeat = host.Give("r/1/0", IsolateHost{"one"});
  EXPECT_EQ(repeat.fence.quarantine_number, 1u);
  EXPECT_EQ(host.Give("r/2/0", IsolateHost{"two"}).fence.quarantine_number, 2u);
}

TEST(Isolation, ARepeatedOrderIsKnownAcrossARestartOfTheAgent) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.Give("r/1/0", IsolateHost{"one"});
  host.StartAgent();
  host.Connect(1, "one");
  EXPECT_EQ(host.Give("r/1/0", IsolateHost{"one"}).fence.quarantine_number, 1u);
}

TEST(Isolation, IsObeyedInAnyEpoch) {
  BenchHost host;
  host.StartAgent();
  host.Connect(7, "seven");
  host.Feed(LinkDown{});
  host.Connect(3, "three");
  EXPECT_EQ(host.Give("r/1/0", IsolateHost{"now"}, 3).outcome, Outcome::kDone);
  EXPECT_FALSE(host.Passes(kDbFlow));
  const Report refused = host.Give("r/1/1", ReadFence{}, 3);
  EXPECT_EQ(refused.outcome, Outcome::kRefused);
  EXPECT_THAT(refused.reason, HasSubstr("epoch 3 is over"));
}

TEST(Isolation, ClosesWhatWasLeasedAndWhatStood) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  EXPECT_TRUE(host.Passes(kDbFlow));
  const Report report = host.Give("r/5/0", IsolateHost{"again"});
  EXPECT_EQ(report.outcome, Outcome::kDone);
  EXPECT_TRUE(report.fence.releases.empty());
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_FALSE(host.Passes(kWebFlow));
}

TEST(Isolation, VoidsEveryEarlierReleaseOrder) {
  ReleasedHost host;
  host.Give("r/4/0", IsolateHost{"again"});
  const Report opening = host.Give("r/5/0", host.Opening());
  EXPECT_EQ(opening.outcome, Outcome::kRefused);
  EXPECT_THAT(opening.reason, HasSubstr("ask the gate again"));
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Isolation, OfAFullDiskIsolatesAllTheSameAndSaysSo) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.store.FailWith(absl::ResourceExhaustedError("no space left"));
  const Report report = host.Give("r/1/0", IsolateHost{"now"});
  EXPECT_EQ(report.outcome, Outcome::kDone);
  EXPECT_THAT(report.reason, HasSubstr("not written down"));
  EXPECT_FALSE(host.Passes(kDbFlow));
  host.store.FailWith(absl::OkStatus());
  host.Pass(absl::Seconds(6));
  EXPECT_EQ(AgentState::Decode(*host.store.Load())->quarantine_number, 1u);
}

TEST(Isolation, DoesNotWaitForADiskThatHangs) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.disk_hangs = true;
  host.said.clear();
  host.Order("r/1/0", IsolateHost{"now"});
  EXPECT_FALSE(host.Passes(kDbFlow)) << "the kernel comes first";
  EXPECT_TRUE(host.All<Report>().empty()) << "the disk has a moment";
  host.Pass(absl::Seconds(1));
  const Report report = host.Last<Report>();
  EXPECT_EQ(report.outcome, Outcome::kDone);
  EXPECT_EQ(report.fence.mode, Mode::kQuarantined);
  EXPECT_THAT(report.reason, HasSubstr("not written down"));
  // Later the disk answers, and nothing is said twice.
  host.said.clear();
  host.EndHang();
  EXPECT_TRUE(host.All<Report>().empty());
  EXPECT_EQ(AgentState::Decode(*host.store.Load())->quarantine_number, 1u);
}

TEST(Isolation, OvertakesAnOrderThatWaitsForTheDisk) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.Freeze("r/5/0", "apps/2");
  host.body = host.Body("apps/2");
  host.disk_hangs = true;
  host.said.clear();
  host.Order("r/6/0", host.Proposal("apps/2"));
  EXPECT_TRUE(host.All<Report>().empty());
  host.Order("r/7/0", IsolateHost{"now"});
  EXPECT_FALSE(host.Passes(kDbFlow));
  host.Pass(absl::Seconds(1));
  ASSERT_EQ(host.All<Report>().size(), 2u);
  EXPECT_EQ(host.All<Report>()[0].outcome, Outcome::kFailed);
  EXPECT_THAT(host.All<Report>()[0].reason, HasSubstr("isolated before"));
  EXPECT_EQ(host.All<Report>()[1].order.str(), "r/7/0");
  EXPECT_EQ(host.All<Report>()[1].outcome, Outcome::kDone);
}

TEST(Isolation, GoesAheadOfOrdersThatWait) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.Freeze("r/5/0", "apps/2");
  host.body = host.Body("apps/2");
  host.disk_hangs = true;
  host.Order("r/6/0", host.Proposal("apps/2"));
  host.Order("r/7/0", host.Opening());  // waits for the disk, behind the other
  host.Order("r/8/0", IsolateHost{"now"});
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Isolation, TakesAWithdrawalThatWaitsForTheDiskWithIt) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.disk_hangs = true;
  host.said.clear();
  host.Order("r/5/0", Withdraw{{GrantId("engine>db:postgres")}, "why"});
  host.Order("r/6/0", IsolateHost{"now"});
  EXPECT_FALSE(host.Passes(kDbFlow));
  host.Pass(absl::Seconds(1));
  ASSERT_EQ(host.All<Report>().size(), 2u);
  for (const Report& report : host.All<Report>()) {
    EXPECT_EQ(report.outcome, Outcome::kDone) << report.order.str();
    EXPECT_THAT(report.reason, HasSubstr("not written down"));
  }
}

TEST(Withdrawal, DoesNotWaitForADiskThatHangs) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.disk_hangs = true;
  host.said.clear();
  host.Order("r/5/0", Withdraw{{GrantId("engine>db:postgres")}, "why"});
  host.Pass(absl::Milliseconds(600));
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_TRUE(host.Passes(kWebFlow));
  host.Pass(absl::Seconds(1));
  EXPECT_EQ(host.Last<Report>().outcome, Outcome::kDone);
  EXPECT_THAT(host.Last<Report>().reason, HasSubstr("not written down"));
}

TEST(Withdrawal, DoesNotWaitBehindAnOrderThatWaitsForTheDisk) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.Freeze("r/5/0", "apps/2");
  host.body = host.Body("apps/2");
  host.disk_hangs = true;
  host.said.clear();
  host.Order("r/6/0", host.Proposal("apps/2"));
  host.Order("r/7/0", Withdraw{{GrantId("engine>db:postgres")}, "why"});
  host.Pass(absl::Milliseconds(1100));
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Isolation, ThatTheKernelRefusesIsNotCalledDoneAndIsTriedAgain) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.fence.failure = absl::UnavailableError("netlink is busy");
  EXPECT_EQ(host.Give("r/1/0", IsolateHost{"now"}).outcome, Outcome::kFailed);
  host.fence.failure = absl::OkStatus();
  host.Pass(absl::Seconds(2));
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_EQ(host.Last<FenceChanged>().fence.mode, Mode::kQuarantined);
}

TEST(Isolation, ThatAnotherHandUndidIsNotCalledDoneAndIsTriedAgain) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.fence.undone = true;
  const Report report = host.Give("r/1/0", IsolateHost{"now"});
  EXPECT_EQ(report.outcome, Outcome::kFailed);
  EXPECT_EQ(report.fence.mode, Mode::kOpen);
  host.fence.undone = false;
  host.Pass(absl::Seconds(2));
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Isolation, CanBeAskedForByRootWithoutAnyLink) {
  BenchHost host;
  host.StartAgent();
  host.Feed(IsolatedLocally{"root on this host"});
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_EQ(host.state().quarantine_number, 1u);
}

TEST(Start, WithoutAStateLeavesTheHostOpen) {
  BenchHost host;
  host.StartAgent();
  EXPECT_TRUE(host.Passes(kDbFlow));
  EXPECT_EQ(host.state().mode, Mode::kOpen);
}

TEST(Start, WithACorruptStateQuarantinesAndSaysSo) {
  BenchHost host;
  ASSERT_TRUE(host.store.Save("sluice agent state 1\nserial 3\n").ok());
  host.StartAgent();
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_GE(host.state().quarantine_number, 1'795'000'000u);
  host.Connect();
  EXPECT_EQ(host.Last<Hello>().fence.mode, Mode::kQuarantined);
  EXPECT_THAT(host.Last<FenceChanged>().reason,
              HasSubstr("cannot be believed"));
}

TEST(Start, WithAnotherHostsStateQuarantines) {
  AgentState state;
  state.estate = EstateId("city-utility");
  state.host = HostId("app-2");
  state.boot_id = "boot-1";
  BenchHost host;
  ASSERT_TRUE(host.store.Save(state.Encode()).ok());
  host.StartAgent();
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Start, BelievesAFenceThatTheStateDoesNotKnow) {
  BenchHost host;
  FenceRules rules;
  ASSERT_TRUE(host.fence.Replace(rules).ok());
  host.StartAgent();
  EXPECT_EQ(host.state().mode, Mode::kQuarantined);
  EXPECT_GE(host.state().quarantine_number, 1'795'000'000u);
  EXPECT_TRUE(host.Passes("tcp 10.77.0.21 10.77.0.1 7443"));
}

// Died between closing and writing it down, or its disk was full.
TEST(Start, OpensNothingAgainThatTheKernelHoldsClosed) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.PassRenewing(absl::Seconds(31), host.digest);
  ASSERT_EQ(host.Give("r/5/0", host.Confirmation()).outcome, Outcome::kDone);
  host.StartAgent();
  EXPECT_TRUE(host.Passes(kDbFlow));  // an orderly restart keeps what stands
  host.Connect();
  host.store.FailWith(absl::ResourceExhaustedError("no space left"));
  ASSERT_EQ(host.Give("r/6/0", IsolateHost{"found a beacon"}).outcome,
            Outcome::kDone);
  host.store.FailWith(absl::OkStatus());
  host.StartAgent();
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_EQ(host.state().quarantine_number, 2u);
  EXPECT_THAT(host.state().reason, HasSubstr("not written down"));
}

TEST(Start, PutsTheFenceUpBeforeAnythingElse) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.Give("r/1/0", IsolateHost{"now"});
  ASSERT_TRUE(host.fence.Replace({.mode = Mode::kOpen}).ok());  // a reboot
  host.StartAgent("boot-2");
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_EQ(host.state().quarantine_number, 1u);
}

TEST(Start, KeepsTryingToPutTheFenceUp) {
  BenchHost host;
  host.StartAgent();
  host.Connect();
  host.Give("r/1/0", IsolateHost{"now"});
  ASSERT_TRUE(host.fence.Replace({.mode = Mode::kOpen}).ok());
  host.fence.failure = absl::UnavailableError("no nf_tables module");
  host.StartAgent("boot-2");
  host.fence.failure = absl::OkStatus();
  host.Pass(absl::Seconds(2));
  EXPECT_FALSE(host.Passes(kDbFlow));
}

TEST(Fence, ThatAnotherHandFlushedIsPutBackAndReported) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  ASSERT_TRUE(host.fence.Replace({.mode = Mode::kOpen}).ok());
  host.said.clear();
  host.Pass(absl::Seconds(6));
  EXPECT_THAT(host.Last<FenceChanged>().reason, HasSubstr("another hand"));
  EXPECT_FALSE(host.Passes("tcp 10.77.0.21 10.77.0.99 22"));
  EXPECT_FALSE(host.Passes(kDbFlow));
  EXPECT_EQ(host.Last<LeaseLost>().release_digest, host.digest);
}

TEST(Fence, IsPutBackAtOnceWhenTheKernelTellsOfAnotherHand) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  ASSERT_TRUE(host.fence.Replace({.mode = Mode::kOpen}).ok());
  host.said.clear();
  host.Feed(TableTouched{"nft, process 812"});
  EXPECT_THAT(host.Last<FenceChanged>().reason,
              AllOf(HasSubstr("another hand (nft, process 812)"),
                    HasSubstr("there is no fence")));
  EXPECT_EQ(host.Last<FenceChanged>().fence.mode, Mode::kQuarantined);
  EXPECT_FALSE(host.Passes("tcp 10.77.0.21 10.77.0.99 22"));
}

// S4: who knows what passed while it was another.
TEST(Fence, ThatWasChangedAndPutBackIsMadeAnew) {
  ReleasedHost host;
  host.Give("r/4/0", host.Opening());
  host.said.clear();
  host.Feed(TableTouched{"nft, process 812"});
  EXPECT_THAT(host.Last<FenceChanged>().reason, HasSubstr("as it was again"));
  EXPECT_EQ(host.Last<LeaseLost>().release_digest, host.digest);
  // What may have been this agent's own change ends no lease.
  ReleasedHost other;
  other.Give("r/4/0", other.Opening());
  other.said.clear();
  other.Feed(TableTouched{""});
  EXPECT_TRUE(other.All<FenceChanged>().empty());
  EXPECT_TRUE(other.Passes(kDbFlow));
}

// An agent at rest costs little; what the kernel tells is looked at at once.
TEST(Fence, IsReadByTheMinuteWhereTheKernelTellsOfChanges) {
  BenchHost host;
  host.audit_every = absl::Minutes(1);
  host.StartAgent();
  host.Connect();
  host.Give("r/1/0", IsolateHost{"drill"});
  host.Pass(absl::Seconds(6));  // once soon after it was put up
  const int before = host.fence.reads;
  host.Pass(absl::Seconds(50));
  EXPECT_EQ(host.fence.reads, before);
  host.Pass(absl::Seconds(10));
  EXPECT_EQ(host.fence.reads, before + 1);
  ASSERT_TRUE(host.fence.Replace({.mode = Mode::kOpen}).ok());
  host.Feed(TableTouched{""});  // the kernel could not keep up telling
  EXPECT_THAT(host.Last<FenceChanged>().reason, HasSubstr("there is no fence"));
  EXPECT_EQ(host.Last<FenceChanged>().fence.mode, Mode::kQuarantined);
}

TEST(Fence, ThatIsTouchedWithoutEndIsLookedAtNowAndThen) {
  ReleasedHost host;
  const size_t before = host.fence.calls.size();
  for (int i = 0; i < 1000; ++i) {
    host.Pass(absl::Milliseconds(1));
    host.Feed(TableTouched{"nft, process 812"});
  }
  EXPECT_LE(host.fence.calls.size() - before, 7u);
}

TEST(Fence, WhoseLeasesAnotherHandAddedToOrProlongedIsMadeAnew) {
  ReleasedHost added;
  added.Give("r/4/0", added.Opening());
  ASSERT_TRUE(added.fence
                  .Open(added.digest, absl::Seconds(60),
                        {F("tcp 10.77.0.21 10.77.0.99 22")})
                  .ok());
  added.Pass(absl::Seconds(6));
  EXPECT_THAT(added.Last<FenceChanged>().reason,
              HasSubstr("tcp 10.77.0.21 10.77.0.99 22"));
  EXPECT_FALSE(added.Passes("tcp 10.77.0.21 10.77.0.99 22"));

  ReleasedHost prolonged;
  prolonged.Give("r/4/0", prolonged.Opening());
  ASSERT_TRUE(prolonged.fence.Renew({{prolonged.digest, absl::Hours(2)}}).ok());
  prolonged.Pass(absl::Seconds(6));
  EXPECT_THAT(prolonged.Last<FenceChanged>().reason, HasSubstr("longer"));
  EXPECT_FALSE(prolonged.Passes(kDbFlow));
}

TEST(Fence, ProblemIsKnownUntilTheKernelWasReadBack) {
  BenchHost host;
  EXPECT_THAT(host.fence_problem(), HasSubstr("not asked"));
  host.fence.failure = absl::UnavailableError("no nf_tables module");
  host.StartAgent();
  EXPECT_THAT(host.fence_problem(), HasSubstr("no nf_tables module"));
  host.Pass(absl::Seconds(3));
  EXPECT_THAT(host.fence_problem(), HasSubstr("no nf_tables module"));
  host.fence.failure = absl::OkStatus();
  host.Pass(absl::Seconds(2));
  EXPECT_EQ(host.fence_problem(), "");

  host.Connect();
  host.fence.failure = absl::UnavailableError("another program owns it");
  host.fence.readable = true;
  host.Give("r/1/0", IsolateHost{"now"});
  EXPECT_THAT(host.fence_problem(), HasSubstr("another program owns it"));
  host.fence.failure = absl::OkStatus();
  host.Pass(absl::Seconds(2));
  EXPECT_EQ(host.fence_problem(), "");
}

TEST(Fence, ThatIsAsItShouldBeIsLeftAlone) {
  ReleasedHost host;
  const size_t before = host.fence.calls.size();
  host.Pass(absl::Minutes(2));
  EXPECT_EQ(host.fence.calls.size(), before);
}

}  // namespace
}  // namespace sluice::agent
