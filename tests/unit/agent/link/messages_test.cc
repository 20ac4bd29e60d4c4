#include "agents/link/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;

template <class What>
What ReadOrder(const v1::OrchestratorMessage& message) {
  const auto event = FromProto(message);
  return std::get<What>(std::get<OrderReceived>(*event).order.what);
}

TEST(Messages, ReadProposalsWithTheirFlows) {
  v1::OrchestratorMessage message;
  v1::Propose* propose = message.mutable_order()->mutable_propose();
  propose->set_body("body");
  propose->set_round("data/1");
  v1::GrantFlows* grant = propose->add_grants();
  grant->set_grant("a>b:c");
  grant->add_flows("tcp 10.77.0.21 10.77.0.11 5432");
  propose->add_will_ask("unit a.service");
  const auto read = ReadOrder<Propose>(message);
  EXPECT_EQ(read.will_ask, std::vector<std::string>{"unit a.service"});
  EXPECT_EQ(read.body, "body");
  ASSERT_EQ(read.grants.size(), 1u);
  EXPECT_EQ(read.grants[0].flows[0].Line(), "tcp 10.77.0.21 10.77.0.11 5432");
}

TEST(Messages, TurnAFlowThatIsNoneIntoAnAnswerableRefusal) {
  v1::OrchestratorMessage message;
  message.mutable_order()->set_id("r/1/0");
  message.mutable_order()->mutable_try_flows()->add_flows("tcp any any 22");
  EXPECT_THAT(ReadOrder<Unreadable>(message).why, HasSubstr("any"));
}

TEST(Messages, ReadWithdrawalsByPeer) {
  v1::OrchestratorMessage message;
  v1::WithdrawPeers* from = message.mutable_order()->mutable_withdraw_peers();
  // One that names nobody would close nothing and say done.
  EXPECT_THAT(ReadOrder<Unreadable>(message).why, HasSubstr("no address"));
  from->add_peers("10.77.0.21");
  from->add_grants("a>b:c");
  const auto read = ReadOrder<Withdraw>(message);
  ASSERT_EQ(read.peers.size(), 1u);
  EXPECT_EQ(read.peers[0].ToString(), "10.77.0.21");
  EXPECT_EQ(read.grants.size(), 1u);
  from->add_peers("10.77.0.21/24");
  EXPECT_FALSE(ReadOrder<Unreadable>(message).why.empty());
}

TEST(Messages, CarryTheActThatBeginsASensorAnewBothWays) {
  v1::OrchestratorMessage message;
  v1::IsolateHost* from = message.mutable_order()->mutable_isolate_host();
  from->set_reason("cleaned");
  EXPECT_EQ(ReadOrder<IsolateHost>(message).sensor_anew, "");
  from->set_sensor_anew("1a2b3c4d/7");
  EXPECT_EQ(ReadOrder<IsolateHost>(message).reason, "cleaned");
  EXPECT_EQ(ReadOrder<IsolateHost>(message).sensor_anew, "1a2b3c4d/7");
  Report report;
  report.fence.sensor_anew = "1a2b3c4d/7";
  EXPECT_EQ(ToProto(report).report().fence().sensor_anew(), "1a2b3c4d/7");
}

TEST(Messages, TurnAnUnknownOrderIntoAnAnswerableRefusal) {
  v1::OrchestratorMessage message;
  message.mutable_order()->set_id("r/1/0");
  EXPECT_THAT(ReadOrder<Unreadable>(message).why, HasSubstr("older"));
}

TEST(Messages, RefuseAMessageOfNoKind) {
  EXPECT_FALSE(FromProto(v1::OrchestratorMessage()).ok());
}

TEST(Messages, KeepTimesFromTheNetworkWithinADay) {
  v1::OrchestratorMessage message;
  v1::CheckSpec* check =
      message.mutable_order()->mutable_run_checks()->add_checks();
  check->set_timeout_ms(-5);
  check->set_between_ms(INT64_MAX);
  const auto read = ReadOrder<RunChecks>(message);
  EXPECT_EQ(read.checks[0].spec.timeout, absl::ZeroDuration());
  EXPECT_EQ(read.checks[0].spec.between, absl::Hours(24));
}

TEST(Messages, ReadTheRolesOfADecision) {
  v1::OrchestratorMessage message;
  v1::Decision* decision =
      message.mutable_order()->mutable_open_flows()->add_decisions();
  decision->set_operator_name("duty-commander");
  decision->set_role("incident-commander system-owner");
  EXPECT_EQ(ReadOrder<OpenFlows>(message).decisions[0].roles.size(), 2u);
}

TEST(Messages, NeverRoundALivingLeaseDownToClosed) {
  Report report{.order = OrderId("r/1/0"), .outcome = Outcome::kRefused};
  report.fence.mode = Mode::kQuarantined;
  report.fence.releases = {{.digest = "sha256:1",
                            .leased_flows = 2,
                            .lease_remaining = absl::Microseconds(3)}};
  report.detail = ReleaseAnswer{false, "why"};
  const v1::AgentMessage message = ToProto(report);
  EXPECT_EQ(message.report().outcome(), v1::OUTCOME_REFUSED);
  EXPECT_EQ(message.report().fence().mode(), v1::FENCE_MODE_QUARANTINED);
  EXPECT_EQ(message.report().fence().releases(0).lease_remaining_ms(), 1);
  EXPECT_TRUE(message.report().has_release());
  EXPECT_FALSE(message.report().release().accepts());
}

TEST(Messages, SayThatChecksWereRunEvenWhenThereWereNone) {
  EXPECT_TRUE(ToProto(Report{.detail = ChecksDone{}}).report().has_checks());
  EXPECT_TRUE(ToProto(Report{.detail = FlowsTried{}}).report().has_tried());
}

TEST(Messages, TellWhatWasSeenAndNoMoreThanAnOrchestratorTakes) {
  Observations seen;
  seen.since = absl::FromUnixSeconds(100);
  seen.until = absl::FromUnixSeconds(200);
  const Sighting sighting{
      7, seen.since, seen.until, {"psql", 812, "shop.service", "app"}};
  seen.listeners[{Protocol::kUdp, 53}] = sighting;
  seen.refused[{true, Protocol::kTcp, *Prefix::Parse("203.0.113.66"), 443}] =
      sighting;
  const v1::Observations small = ToProto(seen).observations();
  EXPECT_EQ(small.since_ms(), 100'000);
  EXPECT_EQ(small.listeners(0).protocol(), "udp");
  ASSERT_EQ(small.peers_size(), 1);
  EXPECT_TRUE(small.peers(0).refused());
  EXPECT_EQ(small.peers(0).times(), 7);
  EXPECT_EQ(small.peers(0).process().unit(), "shop.service");
  EXPECT_FALSE(small.full());

  Sighting wordy = sighting;
  wordy.process.command = std::string(64, 'x');
  wordy.process.unit = std::string(64, 'y');
  for (int i = 0; i < 4096; ++i) {
    seen.passed[{true, Protocol::kTcp,
                 *Prefix::Parse("10.1." + std::to_string(i / 250) + "." +
                                std::to_string(i % 250)),
                 443}] = wordy;
  }
  const v1::Observations large = ToProto(seen).observations();
  EXPECT_LE(large.ByteSizeLong(), size_t{512} << 10);
  EXPECT_GT(large.peers_size(), 2000);
  EXPECT_TRUE(large.full());
}

}  // namespace
}  // namespace sluice::agent
