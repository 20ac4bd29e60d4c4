#include "agents/core/authority.h"

#include <gtest/gtest.h>

#include "common/digest.h"

namespace sluice::agent {
namespace {

ReleaseOrder Order(std::map<RoleId, int> quorum) {
  ReleaseOrder order;
  order.estate = EstateId("city-utility");
  order.stage = StageId("data");
  order.started_by = OperatorId("duty-commander");
  order.quorum = std::move(quorum);
  return order;
}

Decision Go(const ReleaseOrder& order, const char* by,
            std::vector<RoleId> roles) {
  return {OperatorId(by), std::move(roles), order.Digest(), ""};
}

const RoleId kCommander("incident-commander");
const RoleId kOwner("system-owner");

TEST(Authority, SeatsPeopleSoThatTheQuorumIsMetIfItCanBe) {
  const ReleaseOrder order = Order({{kCommander, 1}, {kOwner, 1}});
  // The one who can do both must take the seat that nobody else can.
  EXPECT_TRUE(CheckDecisions(order, {Go(order, "a", {kCommander, kOwner}),
                                     Go(order, "b", {kCommander})})
                  .ok());
  EXPECT_TRUE(CheckDecisions(order, {Go(order, "b", {kCommander}),
                                     Go(order, "a", {kCommander, kOwner})})
                  .ok());
}

TEST(Authority, CountsOnePersonOnceHoweverOftenTheySign) {
  const ReleaseOrder order = Order({{kCommander, 2}});
  const Decision twice = Go(order, "a", {kCommander});
  EXPECT_FALSE(CheckDecisions(order, {twice, twice}).ok());
}

TEST(Authority, TakesNoRolesFromOnePersonsManyDecisionsTwice) {
  const ReleaseOrder order = Order({{kCommander, 1}, {kOwner, 1}});
  EXPECT_FALSE(CheckDecisions(order, {Go(order, "a", {kCommander}),
                                      Go(order, "a", {kOwner})})
                   .ok());
}

TEST(Authority, ForbidsSelfApprovalWhereTheGateDoes) {
  ReleaseOrder order = Order({{kCommander, 1}});
  EXPECT_TRUE(
      CheckDecisions(order, {Go(order, "duty-commander", {kCommander})}).ok());
  order.no_self_approval = true;
  EXPECT_FALSE(
      CheckDecisions(order, {Go(order, "duty-commander", {kCommander})}).ok());
}

TEST(Authority, RefusesAnOrderThatAsksNobody) {
  const ReleaseOrder order = Order({});
  EXPECT_FALSE(CheckDecisions(order, {}).ok());
}

TEST(Authority, RefusesAQuorumOfAThousand) {
  const ReleaseOrder order = Order({{kCommander, 1000}});
  EXPECT_FALSE(CheckDecisions(order, {}).ok());
}

}  // namespace
}  // namespace sluice::agent
