#include "orchestrator/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scenarios/fake_world.h"
#include "tests/unit/engine/test_plan.h"

namespace sluice::engine {
namespace {

using ::sluice::testing::FakeWorld;
using ::sluice::testing::kUtility;
using ::testing::IsEmpty;

void Begin(FakeWorld& world) {
  ASSERT_EQ(world.Adopt(kUtility), absl::OkStatus());
  world.ConnectAll();
  IsolationOrdered isolate;
  isolate.by = OperatorId("duty-commander");
  ASSERT_EQ(world.Isolate(isolate), absl::OkStatus());
  ASSERT_EQ(world.Start("duty-commander"), absl::OkStatus());
}

TEST(Engine, BringsEverythingBackInOrder) {
  FakeWorld world;
  Begin(world);
  ASSERT_EQ(world.Decide("foundations", "duty-commander", true),
            absl::OkStatus());
  world.Advance(absl::Seconds(30));
  EXPECT_EQ(world.StepNamed("database").state, "reconnected");
  ASSERT_EQ(world.Decide("applications", "duty-commander", true),
            absl::OkStatus());
  ASSERT_EQ(world.Decide("applications", "billing-owner", true),
            absl::OkStatus());
  world.Advance(absl::Seconds(60));
  EXPECT_EQ(world.StepNamed("portal").state, "reconnected");
  ASSERT_EQ(world.Decide("outside", "duty-commander", true), absl::OkStatus());
  world.Advance(absl::Seconds(60));
  const View view = world.engine().MakeView(world.now());
  EXPECT_EQ(view.steps_done, view.steps_total);
  EXPECT_EQ(view.run.state, "active");
  EXPECT_THAT(world.checker().violations(), IsEmpty());
  EXPECT_EQ(world.Ask(RunEnded{OperatorId("duty-commander"), ""}),
            absl::OkStatus());
  Engine replayed;
  EXPECT_EQ(world.Replay(&replayed), "");
}

}  // namespace
}  // namespace sluice::engine
