// What the engine notes for the forecast of the next run.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/scenarios/fake_world.h"
#include "tests/unit/engine/test_plan.h"

namespace sluice::engine {
namespace {

using ::sluice::testing::FakeWorld;
using ::sluice::testing::kUtility;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using What = Progress::What;

class ProgressTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(world_.Adopt(kUtility), absl::OkStatus());
    world_.ConnectAll();
    IsolationOrdered isolate;
    isolate.by = OperatorId("duty-commander");
    ASSERT_EQ(world_.Isolate(isolate), absl::OkStatus());
    ASSERT_EQ(world_.Start("duty-commander"), absl::OkStatus());
  }
  std::vector<What> Of(const StepId& step) const {
    std::vector<What> whats;
    for (const Progress& one : world_.progress()) {
      if (one.step == step) whats.push_back(one.what);
    }
    return whats;
  }
  FakeWorld world_;
};

TEST_F(ProgressTest, IsNotedFromConnectingToHealthy) {
  EXPECT_THAT(world_.progress(), IsEmpty());
  ASSERT_EQ(world_.Decide("foundations", "duty-commander", true),
            absl::OkStatus());
  world_.Advance(absl::Seconds(30));  // and through the soak
  EXPECT_THAT(Of(StepId("database")),
              ElementsAre(What::kBegun, What::kHealthy));
  EXPECT_THAT(Of(StepId("billing")), IsEmpty());
}

TEST_F(ProgressTest, SaysHowLongPeopleWereAsked) {
  world_.Advance(absl::Minutes(7));
  EXPECT_THAT(world_.released(), IsEmpty());
  ASSERT_EQ(world_.Decide("foundations", "duty-commander", true),
            absl::OkStatus());
  ASSERT_THAT(world_.released(), SizeIs(1));
  EXPECT_EQ(world_.released()[0].gate, StageId("foundations"));
  EXPECT_EQ(world_.released()[0].asked, absl::Minutes(7));
}

}  // namespace
}  // namespace sluice::engine
