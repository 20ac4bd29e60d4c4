#include "common/digest.h"

#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/planner/phrase.h"
#include "orchestrator/planner/render.h"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using testing::Estate;
using ::testing::IsEmpty;
using testing::SmallUtility;

Estate RichUtility() {
  Estate estate = SmallUtility();
  estate.AddSystem("queue", {"app-2", "web-1"}, {"amqp=5672/tcp,4369/tcp"});
  estate.Needs("queue", "billing-engine:http");
  estate.Needs("billing-engine", "queue:amqp");
  estate.Get("queue").peers = {PortId("amqp")};
  estate.Get("queue").inspect.push_back(
      testing::Probe("queue/inspect-1", "listeners", {}));
  estate.AddSystem("twin-a", {"db-1"}, {"a=7001/tcp"});
  estate.AddSystem("twin-b", {"db-1"}, {"b=7002/tcp"});
  estate.Needs("twin-a", "twin-b:b");
  estate.Needs("twin-b", "twin-a:a");
  estate.Joint({"twin-a", "twin-b"});
  estate.Joint({"queue", "billing-engine"});
  Approver approver;
  approver.id = OperatorId("duty-commander");
  approver.roles = {RoleId("incident-commander"), RoleId("security")};
  estate.model.approvers.push_back(approver);
  Vital vital;
  vital.host = HostId("app-2");
  vital.range = testing::Ranges("5405/udp")[0];
  estate.model.hosts[3].vital = {vital};
  return estate;
}

TEST(Digests, AreTheSameWhateverTheOrderOfTheSource) {
  Estate estate = RichUtility();
  const auto plan = estate.Planned();
  const std::string json = PlanJson(*plan);
  std::mt19937 random(20261121);
  for (int round = 0; round < 50; ++round) {
    const auto other = MakePlan(testing::Shuffled(estate.model, random));
    ASSERT_TRUE(other.ok()) << other.status();
    ASSERT_EQ((*other)->digest, plan->digest) << "round " << round;
    ASSERT_EQ(PlanJson(**other), json) << "round " << round;
    ASSERT_EQ(PlanText(**other, {}), PlanText(*plan, {}));
  }
}

// The stages whose digests differ, and "plan" when the plan's does.
std::vector<std::string> Voided(const std::function<void(Estate&)>& change) {
  Estate before = RichUtility();
  Estate after = RichUtility();
  change(after);
  const auto old_plan = before.Planned();
  const auto new_plan = after.Planned();
  std::vector<std::string> voided;
  for (const PlannedStage& stage : new_plan->stages) {
    const PlannedStage* old_stage = old_plan->FindStage(stage.id);
    if (old_stage == nullptr || old_stage->digest != stage.digest) {
      voided.push_back(stage.id.str());
    }
  }
  if (old_plan->digest != new_plan->digest) voided.push_back("plan");
  return voided;
}

TEST(Digests, ChangeWithWhatPeopleDecideOnAndOnlyThere) {
  EXPECT_THAT(Voided([](Estate&) {}), IsEmpty());
  EXPECT_THAT(
      Voided([](Estate& e) { e.Get("directory").soak = absl::Seconds(11); }),
      ElementsAre("foundations", "plan"));
  EXPECT_THAT(Voided([](Estate& e) { e.Get("portal").title = "Portal"; }),
              ElementsAre("plan"));
  EXPECT_THAT(
      Voided([](Estate& e) { e.Get("portal").expected = absl::Minutes(2); }),
      ElementsAre("plan"));
  EXPECT_THAT(
      Voided([](Estate& e) { e.Get("portal").on_failure = OnFailure::kHold; }),
      ElementsAre("applications", "outside", "plan"));
  EXPECT_THAT(Voided([](Estate& e) { e.Needs("portal", "directory:ldap"); }),
              ElementsAre("applications", "plan"));
  // An address changes every stage that has a flow to it.
  EXPECT_THAT(Voided([](Estate& e) {
                e.model.hosts[2].addresses = {testing::Range("10.77.0.99"),
                                              testing::Range("fd77::21")};
              }),
              ElementsAre("data", "applications", "plan"));
  EXPECT_THAT(Voided([](Estate& e) {
                e.model.externals[1].addresses = {testing::Range("::/0")};
              }),
              ElementsAre("outside", "plan"));
  EXPECT_THAT(Voided([](Estate& e) { e.model.estate = EstateId("x"); }),
              ElementsAre("plan"));
}

TEST(Digests, OfAStageCoverItsGate) {
  Estate before = SmallUtility();
  before.AddStage("all", {"name-service", "directory", "billing-db",
                          "billing-engine", "portal"});
  const auto digest = [](Estate estate) {
    return estate.Planned()->stages[0].digest;
  };
  std::set<std::string> seen = {digest(before)};
  const auto changes = std::vector<std::function<void(GateRule&)>>{
      [](GateRule& g) { g.timeout = absl::Minutes(31); },
      [](GateRule& g) { g.evidence_max_age = absl::Minutes(31); },
      [](GateRule& g) { g.no_self_approval = true; },
      [](GateRule& g) { g.confirm = ConfirmRule::kByDecision; },
      [](GateRule& g) { g.approvals[RoleId("security")] = 1; },
      [](GateRule& g) { g.approvals[RoleId("incident-commander")] = 2; }};
  for (const auto& change : changes) {
    Estate after = before;
    change(after.model.stages[0].gate);
    EXPECT_TRUE(seen.insert(digest(after)).second);
  }
}

TEST(Digests, OfAStageDoNotChangeWithAnotherJointGroup) {
  Estate estate = RichUtility();
  estate.AddStage("base", {"name-service", "directory", "billing-db"});
  estate.AddStage("twins", {"twin-a", "twin-b"});
  estate.AddStage("rest", {"queue", "billing-engine", "portal"});
  const auto before = estate.Planned();
  estate.AddSystem("a-1", {"dns-1"}, {"p=1/tcp"});
  estate.AddSystem("a-2", {"dns-1"}, {"p=2/tcp"});
  estate.Joint({"a-1", "a-2"});
  estate.model.stages[2].systems.emplace_back("a-1");
  estate.model.stages[2].systems.emplace_back("a-2");
  const auto after = estate.Planned();
  EXPECT_EQ(before->stages[1].digest, after->stages[1].digest);
  EXPECT_NE(before->stages[2].digest, after->stages[2].digest);
}

TEST(Phrase, IsFourWordsOfTheDigest) {
  const std::string phrase = DigestPhrase(Sha256("abc"));
  EXPECT_EQ(std::count(phrase.begin(), phrase.end(), '-'), 3);
  EXPECT_NE(phrase, DigestPhrase(Sha256("abd")));
  EXPECT_EQ(DigestPhrase("sha256:3f"), "");
  EXPECT_EQ(DigestPhrase(""), "");
}

TEST(Phrase, HasAWordOfItsOwnForEachByte) {
  std::set<std::string> words;
  for (int byte = 0; byte < 256; ++byte) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", byte);
    const std::string phrase =
        DigestPhrase(std::string("sha256:") + hex + std::string(62, '0'));
    words.insert(phrase.substr(0, phrase.find('-')));
  }
  EXPECT_EQ(words.size(), 256u);
}

}  // namespace
}  // namespace sluice
