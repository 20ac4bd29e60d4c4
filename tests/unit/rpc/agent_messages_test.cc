#include "orchestrator/rpc/agent_messages.h"

#include <gtest/gtest.h>

#include "sluice/v1/agent.pb.h"

namespace sluice::rpc {
namespace {

engine::Order Withdrawing(std::vector<Prefix> peers) {
  engine::Order order{engine::OrderId("r/1/0"), HostId("db-1"),
                      absl::Seconds(15),
                      engine::Withdraw{{GrantId("a>b:c")}, "it fell out"}};
  std::get<engine::Withdraw>(order.what).peers = std::move(peers);
  return order;
}

// An agent that knows no peers in an order must not close too little and say
// done: by peer it is another kind of order.
TEST(AgentMessages, SendAWithdrawalByPeerAsAKindOfItsOwn) {
  v1::Order out;
  FillOrder(1, Withdrawing({*Prefix::Parse("10.77.0.21")}), &out);
  ASSERT_EQ(out.what_case(), v1::Order::kWithdrawPeers);
  ASSERT_EQ(out.withdraw_peers().peers_size(), 1);
  EXPECT_EQ(out.withdraw_peers().peers(0), "10.77.0.21");
  EXPECT_EQ(out.withdraw_peers().grants_size(), 1);
  EXPECT_EQ(out.withdraw_peers().reason(), "it fell out");
  v1::Order plain;
  FillOrder(1, Withdrawing({}), &plain);
  EXPECT_EQ(plain.what_case(), v1::Order::kWithdraw);
}

TEST(AgentMessages, SayWhichActBeginsASensorAnew) {
  engine::Order order{engine::OrderId("r/1/0"), HostId("db-1"),
                      absl::Seconds(15), engine::IsolateHost{"why", "1a2b/7"}};
  v1::Order out;
  FillOrder(1, order, &out);
  EXPECT_EQ(out.isolate_host().reason(), "why");
  EXPECT_EQ(out.isolate_host().sensor_anew(), "1a2b/7");
}

}  // namespace
}  // namespace sluice::rpc
