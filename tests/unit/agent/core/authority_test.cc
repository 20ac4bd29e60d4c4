#include "agents/core/authority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/digest.h"
#include "tests/toys/toy_signature.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;
using testing::ToySign;

const RoleId kCommander("incident-commander");
const RoleId kOwner("system-owner");
const testing::ToyVerifier kVerifier;

ReleaseOrder Order(Quorum quorum) {
  ReleaseOrder order;
  order.estate = EstateId("city-utility");
  order.stage = StageId("data");
  order.started_by = OperatorId("starter");
  order.quorum = std::move(quorum);
  return order;
}

Approver Person(const std::string& name, std::set<RoleId> roles) {
  return {OperatorId(name), std::move(roles), "key-" + name};
}

Trust Trusting(std::vector<Approver> approvers) {
  return {.approvers = std::move(approvers), .verifier = &kVerifier};
}

Decision Go(const ReleaseOrder& order, const std::string& by,
            const std::string& key) {
  return {OperatorId(by),
          {kCommander, kOwner},  // what an orchestrator presents is no proof
          order.Digest(),
          ToySign(key, signed_as::kDecision, order.Body())};
}

Decision Go(const ReleaseOrder& order, const std::string& by) {
  return Go(order, by, "key-" + by);
}

TEST(Authority, SeatsPeopleSoThatTheQuorumIsMetIfItCanBe) {
  const ReleaseOrder order = Order({{kCommander, 1}, {kOwner, 1}});
  // The one who can do both must take the seat that nobody else can.
  const Trust trust =
      Trusting({Person("a", {kCommander, kOwner}), Person("b", {kCommander})});
  EXPECT_TRUE(
      CheckDecisions(order, {Go(order, "a"), Go(order, "b")}, trust).ok());
  EXPECT_TRUE(
      CheckDecisions(order, {Go(order, "b"), Go(order, "a")}, trust).ok());
}

TEST(Authority, CountsOnePersonOnceHoweverOftenTheySign) {
  const ReleaseOrder order = Order({{kCommander, 2}});
  const Trust trust = Trusting({Person("a", {kCommander})});
  EXPECT_FALSE(
      CheckDecisions(order, {Go(order, "a"), Go(order, "a")}, trust).ok());
}

TEST(Authority, CountsTwoNamesWithOneKeyAsOnePerson) {
  const ReleaseOrder order = Order({{kCommander, 2}});
  Trust trust =
      Trusting({Person("a", {kCommander}), Person("b", {kCommander})});
  EXPECT_TRUE(
      CheckDecisions(order, {Go(order, "a"), Go(order, "b")}, trust).ok());
  trust.approvers[1].key = "key-a";
  EXPECT_FALSE(
      CheckDecisions(order, {Go(order, "a"), Go(order, "b", "key-a")}, trust)
          .ok());
}

TEST(Authority, SeatsADeputyOnlyWhileTheDelegatorIsNotThere) {
  const ReleaseOrder two = Order({{kOwner, 2}});
  Trust trust = Trusting(
      {Person("a", {kOwner}), Person("b", {kOwner}), Person("d", {})});
  trust.stand_ins = {{OperatorId("a"), OperatorId("d"), {kOwner}}};
  EXPECT_TRUE(CheckDecisions(two, {Go(two, "d"), Go(two, "b")}, trust).ok());
  // The two of them are one seat, whoever is asked first.
  EXPECT_FALSE(CheckDecisions(two, {Go(two, "a"), Go(two, "d")}, trust).ok());
  EXPECT_FALSE(CheckDecisions(two, {Go(two, "d"), Go(two, "a")}, trust).ok());
  // A deputy of two is one person, and takes over nobody's deputyship.
  trust.stand_ins.push_back({OperatorId("b"), OperatorId("d"), {kOwner}});
  EXPECT_FALSE(CheckDecisions(two, {Go(two, "d")}, trust).ok());
  const ReleaseOrder one = Order({{kOwner, 1}});
  trust.stand_ins = {{OperatorId("a"), OperatorId("b"), {kCommander}}};
  trust.approvers[1].roles.clear();
  EXPECT_FALSE(CheckDecisions(one, {Go(one, "b")}, trust).ok())
      << "a role that the delegator has not";
  trust.stand_ins = {{OperatorId("a"), OperatorId("b"), {kOwner}},
                     {OperatorId("b"), OperatorId("d"), {kOwner}}};
  EXPECT_FALSE(CheckDecisions(one, {Go(one, "d")}, trust).ok());
}

TEST(Authority, LetsNobodyApproveThroughADeputyWhatTheyStarted) {
  ReleaseOrder order = Order({{kOwner, 1}});
  order.started_by = OperatorId("a");
  Trust trust = Trusting({Person("a", {kOwner}), Person("d", {})});
  trust.stand_ins = {{OperatorId("a"), OperatorId("d"), {kOwner}}};
  EXPECT_TRUE(CheckDecisions(order, {Go(order, "d")}, trust).ok());
  order.no_self_approval = true;
  EXPECT_FALSE(CheckDecisions(order, {Go(order, "d")}, trust).ok());
}

TEST(Authority, TakesNoRotationWhereNoMinimumIsPinned) {
  Trust trust = Trusting({Person("a", {kOwner}), Person("b", {kCommander})});
  const std::string signature = ToySign("key-a", signed_as::kRotation, "text");
  EXPECT_THAT(CheckRotationSigned("text", {signature}, trust).message(),
              HasSubstr("pins no minimum"));
  // The most that any stage wants is what it takes.
  trust.quorum = {{kOwner, 1}};
  EXPECT_TRUE(CheckRotationSigned("text", {signature}, trust).ok());
  trust.stages[StageId("outside")] = {{kCommander, 1}};
  EXPECT_FALSE(CheckRotationSigned("text", {signature}, trust).ok());
}

TEST(Authority, BelievesNobodyWhomTheHostDoesNotKnow) {
  const ReleaseOrder order = Order({{kCommander, 1}});
  const Trust trust = Trusting({Person("a", {kCommander})});
  const absl::Status status =
      CheckDecisions(order, {Go(order, "stranger")}, trust);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("stranger is no approver"));
  EXPECT_FALSE(
      CheckDecisions(order, {Go(order, "a", "key-stranger")}, trust).ok());
}

TEST(Authority, TakesRolesFromTheHostsOwnFileOnly) {
  const ReleaseOrder order = Order({{kOwner, 1}});
  const Trust trust = Trusting({Person("a", {kCommander})});
  EXPECT_FALSE(CheckDecisions(order, {Go(order, "a")}, trust).ok());
}

TEST(Authority, WantsTheSignatureOverThisBodyForThisPurpose) {
  const ReleaseOrder order = Order({{kCommander, 1}});
  const Trust trust = Trusting({Person("a", {kCommander})});
  Decision decision = Go(order, "a");
  EXPECT_TRUE(CheckDecisions(order, {decision}, trust).ok());
  ReleaseOrder other = order;
  other.round = 2;
  decision.signature = Go(other, "a").signature;
  EXPECT_FALSE(CheckDecisions(order, {decision}, trust).ok());
  decision.signature = ToySign("key-a", signed_as::kLogin, order.Body());
  EXPECT_FALSE(CheckDecisions(order, {decision}, trust).ok());
  decision.signature.clear();
  EXPECT_FALSE(CheckDecisions(order, {decision}, trust).ok());
  decision = Go(order, "a");
  decision.body_digest = other.Digest();
  EXPECT_FALSE(CheckDecisions(order, {decision}, trust).ok());
}

TEST(Authority, WantsTheHostsOwnMinimumTooWhateverTheGateAsks) {
  const ReleaseOrder order = Order({{kCommander, 1}});
  Trust trust = Trusting({Person("a", {kCommander}), Person("b", {kOwner})});
  trust.quorum = {{kOwner, 1}};
  EXPECT_FALSE(CheckDecisions(order, {Go(order, "a")}, trust).ok());
  EXPECT_TRUE(
      CheckDecisions(order, {Go(order, "a"), Go(order, "b")}, trust).ok());
  EXPECT_THAT(CheckCanBeReleased(order, trust).message(),
              HasSubstr("wants 1 system-owner"));
  trust.quorum.clear();
  EXPECT_TRUE(CheckCanBeReleased(order, trust).ok());
}

TEST(Authority, RaisesTheMinimumForAStageAndNeverLowersIt) {
  Trust trust = Trusting({});
  trust.quorum = {{kCommander, 2}};
  trust.stages[StageId("data")] = {{kCommander, 1}, {kOwner, 1}};
  EXPECT_EQ(trust.MinimumFor(StageId("data")),
            (Quorum{{kCommander, 2}, {kOwner, 1}}));
  EXPECT_EQ(trust.MinimumFor(StageId("apps")), (Quorum{{kCommander, 2}}));
}

TEST(Authority, SaysBeforeTheVoteThatItsPeopleCannotMeetTheQuorum) {
  const ReleaseOrder order = Order({{kCommander, 1}, {kOwner, 1}});
  EXPECT_THAT(CheckCanBeReleased(order, Trusting({Person("a", {kCommander})}))
                  .message(),
              HasSubstr("pins nobody who could decide as system-owner"));
  EXPECT_THAT(CheckCanBeReleased(order, Trusting({})).message(),
              HasSubstr("names no approvers"));
}

TEST(Authority, ForbidsSelfApprovalWhereTheGateDoes) {
  ReleaseOrder order = Order({{kCommander, 1}});
  Trust trust = Trusting({Person("starter", {kCommander})});
  EXPECT_TRUE(CheckDecisions(order, {Go(order, "starter")}, trust).ok());
  order.no_self_approval = true;
  EXPECT_FALSE(CheckDecisions(order, {Go(order, "starter")}, trust).ok());
  // Nor by another name with the same key.
  trust.approvers.push_back(Person("alias", {kCommander}));
  EXPECT_TRUE(CheckDecisions(order, {Go(order, "alias")}, trust).ok());
  trust.approvers[1].key = "key-starter";
  EXPECT_FALSE(
      CheckDecisions(order, {Go(order, "alias", "key-starter")}, trust).ok());
}

TEST(Authority, RefusesAnOrderThatAsksNobody) {
  const Trust trust = Trusting({Person("a", {kCommander})});
  EXPECT_FALSE(CheckDecisions(Order({}), {}, trust).ok());
  EXPECT_FALSE(CheckCanBeReleased(Order({}), trust).ok());
  const ReleaseOrder none = Order({{kCommander, 0}});
  EXPECT_FALSE(CheckDecisions(none, {Go(none, "a")}, trust).ok());
}

TEST(Authority, RefusesAQuorumOfAThousandAndAThousandDecisions) {
  const Trust trust = Trusting({Person("a", {kCommander})});
  EXPECT_FALSE(CheckDecisions(Order({{kCommander, 1000}}), {}, trust).ok());
  const ReleaseOrder order = Order({{kCommander, 1}});
  EXPECT_FALSE(
      CheckDecisions(order, std::vector<Decision>(1000, Go(order, "a")), trust)
          .ok());
}

}  // namespace
}  // namespace sluice::agent
