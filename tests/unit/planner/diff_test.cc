#include "orchestrator/planner/diff.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::Estate;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SmallUtility;

std::vector<std::string> Words(const PlanDiff& diff) {
  std::vector<std::string> words;
  for (const PlanDiff::Change& change : diff.changes) {
    std::string text = change.what + " " + change.name;
    for (const std::string& detail : change.details) text += "; " + detail;
    words.push_back(text);
  }
  return words;
}

std::vector<std::string> Voided(const PlanDiff& diff) {
  std::vector<std::string> names;
  for (const PlanDiff::Stage& stage : diff.stages) {
    if (stage.voided) names.push_back(stage.id.str());
  }
  return names;
}

TEST(Diff, OfAPlanWithItselfIsEmpty) {
  const auto plan = SmallUtility().Planned();
  const PlanDiff diff = DiffPlans(*plan, *plan);
  EXPECT_TRUE(diff.empty());
  EXPECT_THAT(diff.changes, IsEmpty());
  EXPECT_THAT(DiffText(diff, {}), HasSubstr("Nothing changes"));
}

TEST(Diff, SaysWhatChangesForWhomAndWhoIsAskedAgain) {
  Estate estate = SmallUtility();
  const auto before = estate.Planned();
  estate.Get("billing-db").soak = absl::Seconds(20);
  estate.Needs("portal", "directory:ldap");
  const auto after = estate.Planned();
  const PlanDiff diff = DiffPlans(*before, *after);
  EXPECT_THAT(Words(diff),
              ElementsAre("flows portal>directory:ldap; "
                          "tcp 10.77.0.42 10.77.0.11 389; "
                          "tcp fd77::42 fd77::11 389",
                          "system billing-db; soak: 10s becomes 20s",
                          "system portal; need: directory added"));
  EXPECT_THAT(Voided(diff), ElementsAre("data", "applications"));
  EXPECT_THAT(DiffText(diff, {}),
              AllOf(HasSubstr("changed system billing-db, stage data\n"
                              "    soak: 10s becomes 20s\n"),
                    HasSubstr("stage foundations: unchanged; its decisions "
                              "stand"),
                    HasSubstr("stage data: decisions made under the old plan "
                              "are void; ask 1")));
}

TEST(Diff, NamesWhatIsNewAndWhatIsGone) {
  Estate estate = SmallUtility();
  const auto before = estate.Planned();
  estate.Get("portal").serves.pop_back();
  estate.AddHost("rep-1", {"10.77.0.52"});
  estate.AddSystem("reporting", {"rep-1"});
  const PlanDiff diff = DiffPlans(*before, *estate.Planned());
  EXPECT_THAT(
      Words(diff),
      ElementsAre("entry citizens>portal:https; host: web-1; need: "
                  "pilot-office>portal:https and portal",
                  "flows citizens>portal:https; tcp 0.0.0.0/0 10.77.0.42 443; "
                  "tcp ::/0 fd77::42 443",
                  "host rep-1; address: 10.77.0.52",
                  "system reporting; host: rep-1"));
  EXPECT_EQ(diff.changes[0].kind, PlanDiff::Kind::kRemoved);
  EXPECT_EQ(diff.changes[3].kind, PlanDiff::Kind::kAdded);
}

TEST(Diff, NamesNewAndLostStages) {
  Estate estate = SmallUtility();
  const auto before = estate.Planned();
  estate.AddStage("all", {"name-service", "directory", "billing-db",
                          "billing-engine", "portal"});
  const PlanDiff diff = DiffPlans(*before, *estate.Planned());
  EXPECT_TRUE(diff.stages[0].is_new);
  EXPECT_FALSE(diff.stages[0].voided);
  EXPECT_EQ(diff.gone.size(), 4u);
  const auto json = nlohmann::json::parse(DiffJson(diff));
  EXPECT_EQ(json["stages_gone"].size(), 4u);
  EXPECT_EQ(json["stages"][0]["new"], true);
}

TEST(Diff, ShowsAKeyByItsDigest) {
  Estate estate = SmallUtility();
  Approver approver;
  approver.id = OperatorId("duty-commander");
  approver.key = "ssh-ed25519 AAAAold";
  estate.model.approvers = {approver};
  const auto before = estate.Planned();
  estate.model.approvers[0].key = "ssh-ed25519 AAAAnew";
  const std::string text = DiffText(DiffPlans(*before, *estate.Planned()), {});
  EXPECT_THAT(text, HasSubstr("changed approver duty-commander\n    key: "));
  EXPECT_EQ(text.find("AAAA"), std::string::npos);
}

TEST(Diff, NeverMissesAChangedDigest) {
  // Whatever changes the plan's digest is named: nothing is voided in silence.
  Estate base = SmallUtility();
  const auto before = base.Planned();
  const std::vector<std::function<void(Estate&)>> changes = {
      [](Estate& e) { e.model.title = "Other"; },
      [](Estate& e) { e.model.management.orchestrators = {"10.0.0.1:1"}; },
      [](Estate& e) { e.Get("portal").lease = absl::Seconds(5); },
      [](Estate& e) { e.Get("portal").watch_every = absl::Seconds(9); },
      [](Estate& e) { e.Get("portal").start_unit = "nginx.service"; },
      [](Estate& e) { e.Get("portal").stop_unit = "nginx.service"; },
      [](Estate& e) { e.Get("portal").is_protected = true; },
      [](Estate& e) { e.Get("portal").priority = Priority::kHigh; },
      [](Estate& e) { e.Get("portal").expected = absl::Seconds(9); },
      [](Estate& e) { e.Get("portal").category = "other"; },
      [](Estate& e) { e.Get("billing-engine").enough = 2; },
      [](Estate& e) { e.Get("portal").on_failure = OnFailure::kHold; },
      [](Estate& e) { e.model.hosts[0].grade = Grade::kManual; },
      [](Estate& e) {
        e.Joint({"billing-engine", "portal"});
      },
      [](Estate& e) {
        std::get<CheckSpec>(e.Get("portal").health[0].what).attempts = 9;
      },
      [](Estate& e) { e.Get("portal").needs[0].strength = Strength::kSoft; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Estate estate = base;
    changes[i](estate);
    const PlanDiff diff = DiffPlans(*before, *estate.Planned());
    EXPECT_FALSE(diff.empty()) << i;
    EXPECT_FALSE(diff.changes.empty()) << i;
  }
}

}  // namespace
}  // namespace sluice
