// Points that people work: their word counts as their word, and opens nothing
// that an order would not open.

#include "orchestrator/engine/hand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/digest.h"
#include "tests/scenarios/fake_world.h"

namespace sluice::engine {
namespace {

using ::sluice::testing::FakeWorld;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const HostId kPlc("plc-1");
const HostId kSwitch("switch-1");

class ByHandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ifstream in(
        absl::StrCat(SLUICE_SOURCE_DIR, "/tests/scenarios/by_hand.yaml"));
    manifest_ = std::string{std::istreambuf_iterator<char>(in), {}};
    ASSERT_EQ(world_.Adopt(manifest_), absl::OkStatus());
    world_.ConnectAll();
  }
  void TearDown() override {
    EXPECT_THAT(world_.checker().violations(), IsEmpty());
    Engine replayed;
    EXPECT_EQ(world_.Replay(&replayed), "");
  }

  uint64_t Isolate() {
    IsolationOrdered isolate;
    isolate.by = OperatorId("duty-commander");
    EXPECT_EQ(world_.Isolate(isolate), absl::OkStatus());
    return world_.sequence();
  }
  // People do all that they are asked to.
  void DoAll() {
    for (const PointTaskView& task : Tasks()) {
      const char* who =
          task.host == kSwitch ? "cabinet-keeper" : "duty-commander";
      EXPECT_EQ(world_.Say(task.id.str(), who, true, "the lamp"),
                absl::OkStatus())
          << task.id.str();
    }
  }
  void Reconnect() {
    Isolate();
    DoAll();
    ASSERT_EQ(world_.Start("duty-commander"), absl::OkStatus());
    ASSERT_EQ(world_.Decide("base", "duty-commander", true), absl::OkStatus());
    world_.Advance(absl::Seconds(12));
    ASSERT_EQ(world_.Decide("upper", "duty-commander", true), absl::OkStatus());
  }
  std::vector<PointTaskView> Tasks() {
    return world_.engine().MakeView(world_.now()).point_tasks;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const PointTaskView& task : Tasks()) names.push_back(task.id.str());
    return names;
  }
  HostView Seen(const HostId& id) {
    for (const HostView& host : world_.engine().MakeView(world_.now()).hosts) {
      if (host.id == id) return host;
    }
    return {};
  }

  FakeWorld world_;
  std::string manifest_;
};

TEST_F(ByHandTest, IsClosedOnlyWhenSomebodySaysSo) {
  const uint64_t order = world_.sequence() + 1;
  Isolate();
  Engine::IsolationProgress progress = world_.engine().IsolationSince(order);
  EXPECT_EQ(progress.hosts, 5);
  EXPECT_EQ(progress.read_back, 3);
  EXPECT_EQ(progress.said, 0);
  EXPECT_THAT(progress.by_hand, ElementsAre(kPlc, kSwitch));
  EXPECT_EQ(Seen(kSwitch).fence, "unknown");

  ASSERT_EQ(Tasks().size(), 2u);
  const PointTaskView task = Tasks()[1];
  EXPECT_EQ(task.host, kSwitch);
  EXPECT_EQ(task.verb, "isolate");
  EXPECT_EQ(task.owner, RoleId("network-operator"));
  EXPECT_THAT(task.instructions, HasSubstr("shut port 7"));
  ASSERT_EQ(world_.Say(task.id.str(), "cabinet-keeper", true, "it is dark"),
            absl::OkStatus());
  // S9: a person's word is never among what was read back.
  progress = world_.engine().IsolationSince(order);
  EXPECT_EQ(progress.read_back, 3);
  EXPECT_EQ(progress.said, 1);
  EXPECT_THAT(progress.by_hand, ElementsAre(kPlc));
  EXPECT_THAT(Seen(kSwitch).said,
              AllOf(HasSubstr("said by cabinet-keeper"),
                    HasSubstr("not measured"), HasSubstr("it is dark")));
  EXPECT_EQ(Seen(kSwitch).link, "manual");
}

TEST_F(ByHandTest, IsTheWordOfThoseWhomItIsFor) {
  Isolate();
  const std::string task = "switch-1/isolate-1";
  EXPECT_EQ(world_.Say(task, "duty-commander", true, "dark").code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(world_.Say(task, "cabinet-keeper", true, "").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      world_.Say("switch-1/isolate-2", "cabinet-keeper", true, "dark").code(),
      absl::StatusCode::kNotFound);
  // Neither an agent nor an answer with its order's name is believed.
  FenceSeen fence;
  fence.mode = FenceSeen::Mode::kQuarantined;
  fence.quarantine_number = 9;
  world_.Tell(AgentConnected{kSwitch, "1", "boot", 1, fence});
  world_.Tell(
      OrderReported{Tasks()[1].order, kSwitch, Outcome::kDone, "", fence, {}});
  world_.Tell(FenceChanged{kSwitch, "flushed", fence});
  EXPECT_EQ(Seen(kSwitch).fence, "unknown");
  EXPECT_THAT(Names(), Contains(task));
  // One word is enough, and no second one counts.
  EXPECT_EQ(world_.Say(task, "cabinet-keeper", true, "dark"), absl::OkStatus());
  EXPECT_EQ(world_.Say(task, "cabinet-keeper", true, "dark").code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ByHandTest, NothingOfItIsAskedBeforeItsGateAndWithoutItsOrder) {
  Isolate();
  DoAll();
  ASSERT_EQ(world_.Start("duty-commander"), absl::OkStatus());
  EXPECT_THAT(Names(), IsEmpty());
  ASSERT_EQ(world_.Decide("base", "duty-commander", true), absl::OkStatus());
  world_.Advance(absl::Seconds(12));
  EXPECT_THAT(Names(), IsEmpty()) << "not before the decision";
  const auto gate =
      world_.engine().MakeGateDetail(StageId("upper"), world_.now());
  ASSERT_TRUE(gate.ok());
  ASSERT_EQ(world_.Decide("upper", "duty-commander", true), absl::OkStatus());
  const std::vector<PointTaskView> tasks = Tasks();
  ASSERT_EQ(tasks.size(), 2u);
  for (const PointTaskView& task : tasks) {
    EXPECT_EQ(task.verb, "open");
    EXPECT_EQ(task.release, Sha256(gate->body));
    ASSERT_EQ(task.flows.size(), 2u);
    // What the body that people signed has for this host.
    EXPECT_EQ(gate->flows.at(task.host),
              (std::vector<Flow>{task.flows[0].flow, task.flows[1].flow}));
  }
  EXPECT_EQ(tasks[0].flows[0].from, "app-1");
  EXPECT_EQ(tasks[0].flows[0].to, "plc-1");
  EXPECT_EQ(tasks[0].flows[0].flow.Line(), "tcp 10.0.1.3 10.9.0.5 502");
  for (const GateDetail::Evidence& evidence : gate->evidence) {
    if (evidence.host != kSwitch) continue;
    EXPECT_THAT(evidence.text, AllOf(HasSubstr("enforcement manual"),
                                     HasSubstr("said by cabinet-keeper"),
                                     HasSubstr("not measured")));
    EXPECT_THAT(evidence.answer, HasSubstr("by hand"));
    EXPECT_EQ(evidence.signature, "");
  }
}

TEST_F(ByHandTest, AnOpeningThatIsVoidIsSaidAndClosedAgain) {
  Reconnect();
  world_.TakeLog();
  ASSERT_EQ(world_.Say("plc-1/open-2", "duty-commander", true, "plugged in"),
            absl::OkStatus());
  EXPECT_EQ(Seen(kPlc).standing_flows, 2);
  // The other end's person has not answered when all is isolated again.
  Isolate();
  EXPECT_THAT(Names(), ElementsAre("plc-1/isolate-3", "switch-1/isolate-3"));
  EXPECT_THAT(world_.TakeLog(),
              Contains(Field(&FakeWorld::Entry::text,
                             AllOf(HasSubstr("switch-1/open-2 is void"),
                                   HasSubstr("close what you opened")))));
  EXPECT_EQ(world_.Say("switch-1/open-2", "cabinet-keeper", true, "up").code(),
            absl::StatusCode::kNotFound);
  // What to close names what is said to be open.
  ASSERT_EQ(Tasks()[0].flows.size(), 2u);
  EXPECT_EQ(Tasks()[0].flows[0].flow.Line(), "tcp 10.0.1.3 10.9.0.5 502");
  ASSERT_EQ(Tasks()[1].flows.size(), 2u) << "perhaps open, as nobody said";
  DoAll();
  EXPECT_EQ(Seen(kPlc).standing_flows, 0);
  EXPECT_EQ(Seen(kPlc).quarantine_number, 2u);
}

TEST_F(ByHandTest, AHostThatIsIsolatedMeanwhileIsOpenedToNoMore) {
  Reconnect();
  ASSERT_EQ(Tasks()[0].id.str(), "plc-1/open-2");
  ASSERT_EQ(Tasks()[0].flows.size(), 2u);
  world_.TakeLog();
  IsolationOrdered isolate;
  isolate.scope = IsolationOrdered::Scope::kHost;
  isolate.host = HostId("app-2");
  isolate.by = OperatorId("duty-commander");
  ASSERT_EQ(world_.Isolate(isolate), absl::OkStatus());
  // Somebody may be opening it just now: that is to be closed first.
  EXPECT_THAT(world_.TakeLog(),
              Contains(Field(&FakeWorld::Entry::text,
                             HasSubstr("plc-1/open-2 is void"))));
  std::string open;
  std::string close;
  for (const PointTaskView& task : Tasks()) {
    if (task.host != kPlc) continue;
    ASSERT_EQ(task.flows.size(), 1u);
    EXPECT_EQ(task.flows[0].from, task.verb == "open" ? "app-1" : "app-2");
    (task.verb == "open" ? open : close) = task.id.str();
  }
  ASSERT_FALSE(open.empty() || close.empty());
  EXPECT_EQ(world_.Say("plc-1/open-2", "duty-commander", true, "in").code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(world_.Say(close, "duty-commander", true, "out"),
            absl::OkStatus());
  EXPECT_EQ(world_.Say(open, "duty-commander", true, "in"), absl::OkStatus());
  EXPECT_EQ(Seen(kPlc).standing_flows, 1);
}

TEST_F(ByHandTest, WhatIsToBeClosedIsClosedBeforeAnythingOpens) {
  Reconnect();
  DoAll();
  world_.Advance(absl::Seconds(15));
  IsolationOrdered isolate;
  isolate.scope = IsolationOrdered::Scope::kHost;
  isolate.host = HostId("app-2");
  isolate.by = OperatorId("duty-commander");
  ASSERT_EQ(world_.Isolate(isolate), absl::OkStatus());
  ASSERT_EQ(Tasks().size(), 2u);
  const std::string close = Tasks()[0].id.str();
  EXPECT_EQ(Tasks()[0].verb, "close");
  // Whole again: retried, decided anew, while the closing is still to be done.
  ASSERT_EQ(world_.Ask(RetryAsked{{StepId("meters")},
                                  OperatorId("duty-commander")}),
            absl::OkStatus());
  for (const PointTaskView& task : Tasks()) {
    EXPECT_NE(task.verb, "open") << "it is not closed yet";
    if (task.id.str() == close) continue;
    const char* who =
        task.host == kSwitch ? "cabinet-keeper" : "duty-commander";
    EXPECT_EQ(world_.Say(task.id.str(), who, true, "out"), absl::OkStatus());
  }
  ASSERT_EQ(world_.Decide("upper", "duty-commander", true), absl::OkStatus());
  std::string open;
  for (const PointTaskView& task : Tasks()) {
    if (task.host == kPlc && task.verb == "open") open = task.id.str();
  }
  ASSERT_FALSE(open.empty());
  const absl::Status before = world_.Say(open, "duty-commander", true, "in");
  EXPECT_EQ(before.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(before.message(), HasSubstr(absl::StrCat("first '", close)));
  EXPECT_EQ(world_.Say(close, "duty-commander", true, "out"),
            absl::OkStatus());
  EXPECT_EQ(world_.Say(open, "duty-commander", true, "in"), absl::OkStatus());
}

TEST_F(ByHandTest, AnOldReleaseOrderEndsWithItsTask) {
  Reconnect();
  EXPECT_THAT(Names(), ElementsAre("plc-1/open-2", "switch-1/open-2"));
  world_.TakeLog();
  world_.Advance(absl::Minutes(61));
  // Its evidence is too old: whoever opens now opens under nothing.
  EXPECT_THAT(Names(), Not(Contains("plc-1/open-2")));
  EXPECT_THAT(world_.TakeLog(),
              Contains(Field(&FakeWorld::Entry::text,
                             HasSubstr("plc-1/open-2 is void"))));
  // Somebody may have begun, so somebody is asked to close.
  EXPECT_THAT(Names(), ElementsAre("plc-1/close-3", "switch-1/close-3"));
}

TEST_F(ByHandTest, WhatCouldNotBeClosedIsAskedAnew) {
  Isolate();
  ASSERT_EQ(world_.Say("plc-1/isolate-1", "duty-commander", false, "no key"),
            absl::OkStatus());
  EXPECT_EQ(Seen(kPlc).fence, "unknown");
  EXPECT_THAT(Names(), ElementsAre("switch-1/isolate-1"));
  world_.Advance(absl::Seconds(11));
  EXPECT_THAT(Names(), ElementsAre("switch-1/isolate-1", "plc-1/isolate-2"));
  world_.Advance(absl::Minutes(10));
  EXPECT_THAT(Names(), ElementsAre("switch-1/isolate-1", "plc-1/isolate-2"))
      << "nobody is asked for ever and ever";
}

TEST_F(ByHandTest, ChecksThereSayNothing) {
  const std::string checked =
      absl::StrReplaceAll(manifest_, {{"    ports: {modbus: 502/tcp}\n",
                                       "    ports: {modbus: 502/tcp}\n"
                                       "    health: [{tcp: modbus}]\n"}});
  ASSERT_EQ(world_.Adopt(checked, "duty-commander"), absl::OkStatus());
  Isolate();
  DoAll();
  ASSERT_EQ(world_.Start("duty-commander"), absl::OkStatus());
  ASSERT_EQ(world_.Decide("base", "duty-commander", true), absl::OkStatus());
  const StepView& step = world_.StepNamed("controller");
  ASSERT_EQ(step.waits.size(), 1u);
  EXPECT_THAT(step.waits[0].text, HasSubstr("inconclusive"));
  EXPECT_THAT(step.waits[0].text, HasSubstr("nobody's program looks at"));
  EXPECT_NE(step.state, "reconnected");
}

TEST_F(ByHandTest, ThatGetsAnAgentByANewPlanIsIsolatedByIt) {
  Reconnect();
  DoAll();
  world_.Advance(absl::Seconds(15));
  EXPECT_EQ(world_.StepNamed("meters").state, "reconnected");
  const std::string driven = absl::StrReplaceAll(
      manifest_, {{"  plc-1: {address: [10.9.0.5], enforcement: manual}",
                   "  plc-1: {address: [10.9.0.5]}"}});
  ASSERT_EQ(world_.Adopt(driven, "duty-commander"), absl::OkStatus());
  EXPECT_EQ(Seen(kPlc).link, "never");
  EXPECT_EQ(Seen(kPlc).fence, "unknown");
  EXPECT_EQ(world_.engine().Outstanding(kPlc).size(), 1u);
  EXPECT_NE(world_.StepNamed("controller").state, "reconnected");
  // And back again: a person is asked to close it.
  ASSERT_EQ(world_.Adopt(manifest_, "duty-commander"), absl::OkStatus());
  EXPECT_EQ(Seen(kPlc).link, "manual");
  EXPECT_THAT(Names(), Contains(HasSubstr("plc-1/isolate-")));
}

TEST_F(ByHandTest, ATaskOutlivesTheOrchestrator) {
  Reconnect();
  const std::vector<std::string> before = Names();
  world_.Restart();
  EXPECT_EQ(Names(), before);
}

}  // namespace
}  // namespace sluice::engine
