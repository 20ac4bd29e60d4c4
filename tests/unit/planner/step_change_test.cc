#include "orchestrator/planner/step_change.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using testing::Estate;
using ::testing::IsEmpty;
using testing::SmallUtility;

StepChange Compare(Estate before, Estate after, const char* step) {
  const auto old_plan = before.Planned();
  const auto new_plan = after.Planned();
  return CompareSteps(*old_plan, *old_plan->FindStep(StepId(step)), *new_plan,
                      *new_plan->FindStep(StepId(step)));
}

TEST(StepChange, IsNothingForAStepThatIsTheSame) {
  Estate after = SmallUtility();
  after.Get("billing-db").soak = absl::Seconds(99);
  const StepChange change = Compare(SmallUtility(), after, "portal");
  EXPECT_FALSE(change.any());
  EXPECT_THAT(change.what, IsEmpty());
}

TEST(StepChange, OfItsSoakConcernsNotWhatWasReleased) {
  Estate after = SmallUtility();
  after.Get("billing-db").soak = absl::Seconds(99);
  const StepChange change = Compare(SmallUtility(), after, "billing-db");
  EXPECT_FALSE(change.release);
  EXPECT_TRUE(change.checks);
  EXPECT_THAT(change.what, ElementsAre("its soak"));
}

TEST(StepChange, OfItsPolicyIsNone) {
  Estate after = SmallUtility();
  after.Get("billing-db").on_failure = OnFailure::kHold;
  after.Get("billing-db").title = "another";
  EXPECT_FALSE(Compare(SmallUtility(), after, "billing-db").any());
}

TEST(StepChange, OfANeedMoreIsNotCoveredByItsReleaseOrder) {
  Estate after = SmallUtility();
  after.Needs("portal", "directory:ldap");
  const StepChange more = Compare(SmallUtility(), after, "portal");
  EXPECT_TRUE(more.release);
  EXPECT_THAT(more.what, ElementsAre("its needs", "its flows"));

  const StepChange less = Compare(after, SmallUtility(), "portal");
  EXPECT_FALSE(less.release) << "with fewer needs it may go on";
  EXPECT_THAT(less.gone, ElementsAre(GrantId("portal>directory:ldap")));
}

TEST(StepChange, OfASoftNeedWaitsForItsNextRelease) {
  Estate after = SmallUtility();
  after.Needs("portal", "directory:ldap", Strength::kSoft);
  const StepChange change = Compare(SmallUtility(), after, "portal");
  EXPECT_FALSE(change.release);
  EXPECT_THAT(change.soft, ElementsAre(GrantId("portal>directory:ldap")));
}

TEST(StepChange, OfAServersPortChangesTheClientsFlows) {
  Estate after = SmallUtility();
  for (Port& port : after.Get("billing-db").ports) {
    for (Port::Range& range : port.ranges) range.ports = {6000, 6000};
  }
  const StepChange change = Compare(SmallUtility(), after, "billing-engine");
  EXPECT_TRUE(change.release);
  EXPECT_THAT(change.what, ElementsAre("its flows"));
}

}  // namespace
}  // namespace sluice
