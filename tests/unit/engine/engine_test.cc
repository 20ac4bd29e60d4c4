#include "orchestrator/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_replace.h"
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

// Its own fence may be in an attacker's hands; its peers' must not open to it.
TEST(Round, OpensNothingAtPeersToAHostThatFailedItsInspection) {
  FakeWorld world;
  ASSERT_EQ(world.Adopt(absl::StrReplaceAll(kUtility,
                                            {{"hosts: [app-1]",
                                              "hosts: [app-1, app-2]\n"
                                              "    enough: 1"},
                                             {"  web-1: {",
                                              "  app-2: {address: [10.0.1.6]}\n"
                                              "  web-1: {"}})),
            absl::OkStatus());
  world.ConnectAll();
  world.agent(HostId("app-2")).checks[CheckId("billing/inspect-1")] = {
      Verdict::kFail, "listens on 4444", 0};
  IsolationOrdered isolate;
  isolate.by = OperatorId("duty-commander");
  ASSERT_EQ(world.Isolate(isolate), absl::OkStatus());
  ASSERT_EQ(world.Start("duty-commander"), absl::OkStatus());
  ASSERT_EQ(world.Decide("foundations", "duty-commander", true),
            absl::OkStatus());
  world.Advance(absl::Seconds(60));
  const auto detail =
      world.engine().MakeGateDetail(StageId("applications"), world.now());
  ASSERT_EQ(detail.status(), absl::OkStatus());
  ASSERT_EQ(detail->gate.state, "asking") << detail->gate.why;
  bool billing_comes = false;
  for (const auto& [host, flows] : detail->flows) {
    for (const Flow& flow : flows) {
      billing_comes |= flow.client.Address() == "10.0.1.3";
      EXPECT_NE(flow.client.Address(), "10.0.1.6") << flow.Line();
      EXPECT_NE(flow.server.Address(), "10.0.1.6") << flow.Line();
    }
  }
  EXPECT_TRUE(billing_comes);
}

}  // namespace
}  // namespace sluice::engine
