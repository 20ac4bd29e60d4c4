// A person has the sensor of a host that was cleaned begin anew: with a role
// and a reason, by name, and shown for what it is.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "orchestrator/engine/engine.h"
#include "tests/scenarios/fake_world.h"
#include "tests/unit/engine/test_plan.h"

namespace sluice::engine {
namespace {

using ::sluice::testing::FakeWorld;
using ::sluice::testing::kUtility;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SensorAnew : public ::testing::Test {
 protected:
  SensorAnew() {
    EXPECT_EQ(world_.Adopt(kUtility), absl::OkStatus());
    world_.ConnectAll();
    IsolationOrdered isolate;
    isolate.by = OperatorId("duty-commander");
    EXPECT_EQ(world_.Isolate(isolate), absl::OkStatus());
  }
  static IsolationOrdered Anew() {
    IsolationOrdered isolate;
    isolate.scope = IsolationOrdered::Scope::kHost;
    isolate.host = kHost;
    isolate.by = OperatorId("duty-commander");
    isolate.reason = "cleaned in place";
    isolate.sensor_anew = true;
    isolate.roles = {RoleId("incident-commander")};
    return isolate;
  }
  absl::Status Admit(const IsolationOrdered& event) {
    return world_.engine().Admit(event, world_.now());
  }
  // What is on its way to the host's sensor; empty: nothing.
  std::string Ordered() {
    std::string act;
    for (const Order& order : world_.engine().Outstanding(kHost)) {
      const auto* isolate = std::get_if<IsolateHost>(&order.what);
      if (isolate != nullptr) act = isolate->sensor_anew;
    }
    return act;
  }
  HostView View() {
    for (const HostView& host : world_.engine().MakeView(world_.now()).hosts) {
      if (host.id == kHost) return host;
    }
    return {};
  }

  static inline const HostId kHost{"db-1"};
  FakeWorld world_;
};

TEST_F(SensorAnew, IsOrderedByAPersonWithARoleAndAReasonOfOneHost) {
  EXPECT_EQ(Admit(Anew()), absl::OkStatus());
  IsolationOrdered event = Anew();
  event.roles.clear();
  EXPECT_EQ(Admit(event).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(Admit(event).message()),
              HasSubstr("without --sensor-anew"));
  event.sensor_anew = false;
  EXPECT_EQ(Admit(event), absl::OkStatus()) << "closing is anybody's";
  event = Anew();
  event.reason.clear();
  EXPECT_THAT(std::string(Admit(event).message()), HasSubstr("--reason"));
  for (const auto scope :
       {IsolationOrdered::Scope::kAll, IsolationOrdered::Scope::kRun,
        IsolationOrdered::Scope::kSystem}) {
    event = Anew();
    event.scope = scope;
    event.system = SystemId("database");
    EXPECT_THAT(std::string(Admit(event).message()), HasSubstr("--host"));
  }
  event = Anew();
  event.host = HostId("db-9");
  EXPECT_EQ(Admit(event).code(), absl::StatusCode::kNotFound);
}

TEST_F(SensorAnew, IsDoneWhenTheHostSaysSoAndShownWithWhoAndWhy) {
  EXPECT_FALSE(View().sensor_anew.has_value());
  const absl::Time asked = world_.now();
  const uint64_t before = world_.sequence();
  const uint64_t number = View().quarantine_number;
  ASSERT_EQ(world_.Isolate(Anew()), absl::OkStatus());
  const HostView view = View();
  EXPECT_EQ(view.quarantine_number, number + 1) << "an isolation";
  ASSERT_TRUE(view.sensor_anew.has_value());
  EXPECT_EQ(view.sensor_anew->by, OperatorId("duty-commander"));
  EXPECT_EQ(view.sensor_anew->at, asked);
  EXPECT_EQ(view.sensor_anew->reason, "cleaned in place");
  EXPECT_TRUE(view.sensor_anew->done);
  EXPECT_THAT(world_.engine().IsolationSince(before).sensor_kept, IsEmpty());
  Engine replayed;
  EXPECT_EQ(world_.Replay(&replayed), "");
}

TEST_F(SensorAnew, IsNotWhatAnyOtherIsolationOrders) {
  ASSERT_EQ(world_.Isolate(Anew()), absl::OkStatus());
  world_.agent(kHost).silent = true;
  IsolationOrdered plain = Anew();
  plain.sensor_anew = false;
  world_.Step(plain);
  ASSERT_THAT(world_.engine().Outstanding(kHost), SizeIs(1));
  EXPECT_EQ(Ordered(), "");
  world_.Advance(absl::Minutes(1));  // ordered again, by itself
  ASSERT_THAT(world_.engine().Outstanding(kHost), SizeIs(1));
  EXPECT_EQ(Ordered(), "");
  EXPECT_TRUE(View().sensor_anew->done) << "as it was";
}

// The agent empties its sensor once for one act, whatever becomes of answers.
TEST_F(SensorAnew, KeepsItsNameWhenItIsOrderedAgain) {
  world_.agent(kHost).silent = true;
  world_.Step(Anew());
  const std::string act = Ordered();
  ASSERT_NE(act, "");
  const OrderId first = world_.engine().Outstanding(kHost)[0].id;
  world_.Advance(absl::Minutes(1));
  ASSERT_THAT(world_.engine().Outstanding(kHost), SizeIs(1));
  EXPECT_NE(world_.engine().Outstanding(kHost)[0].id, first);
  EXPECT_EQ(Ordered(), act);
  // Another act has another name.
  world_.Step(Anew());
  ASSERT_THAT(world_.engine().Outstanding(kHost), SizeIs(1));
  EXPECT_NE(Ordered(), act);
}

TEST_F(SensorAnew, TakesThePlaceOfAnIsolationOnItsWay) {
  world_.agent(kHost).silent = true;
  IsolationOrdered plain = Anew();
  plain.sensor_anew = false;
  world_.Step(plain);
  EXPECT_EQ(Ordered(), "");
  const uint64_t before = world_.sequence();
  world_.Step(Anew());
  ASSERT_THAT(world_.engine().Outstanding(kHost), SizeIs(1));
  EXPECT_NE(Ordered(), "");
  EXPECT_THAT(world_.engine().IsolationSince(before).waiting_for,
              Contains(kHost));
  // And is not lost to one that comes after it.
  world_.Step(plain);
  EXPECT_NE(Ordered(), "");
}

TEST_F(SensorAnew, ThatTheHostDidNotDoIsSaid) {
  world_.agent(kHost).keeps_its_sensor = true;
  const uint64_t before = world_.sequence();
  ASSERT_EQ(world_.Isolate(Anew()), absl::OkStatus());
  EXPECT_FALSE(View().sensor_anew->done);
  const auto progress = world_.engine().IsolationSince(before);
  EXPECT_THAT(progress.waiting_for, IsEmpty());
  EXPECT_THAT(progress.sensor_kept, ElementsAre(kHost));
  EXPECT_THAT(world_.TakeLog(),
              Contains(Field(&FakeWorld::Entry::text,
                             HasSubstr("db-1's sensor goes on as it was"))));
}

// S9: by an orchestrator whose record is lost, or was in other hands.
TEST_F(SensorAnew, ThatThisRecordDoesNotHoldIsShownAllTheSame) {
  ASSERT_EQ(world_.Isolate(Anew()), absl::OkStatus());
  FenceChanged changed{kHost, "", world_.agent(kHost).Fence(world_.now())};
  changed.fence.sensor_anew = "somebody/1";
  ++changed.fence.state_serial;
  world_.Tell(changed);
  ASSERT_TRUE(View().sensor_anew.has_value());
  EXPECT_EQ(View().sensor_anew->by, OperatorId(""));
  EXPECT_TRUE(View().sensor_anew->done);
}

TEST_F(SensorAnew, StandsAtTheGate) {
  ASSERT_EQ(world_.Isolate(Anew()), absl::OkStatus());
  ASSERT_EQ(world_.Start("duty-commander"), absl::OkStatus());
  const auto detail =
      world_.engine().MakeGateDetail(StageId("foundations"), world_.now());
  ASSERT_TRUE(detail.ok()) << detail.status();
  bool shown = false;
  for (const GateDetail::Evidence& evidence : detail->evidence) {
    EXPECT_EQ(evidence.sensor_anew.has_value(), evidence.host == kHost);
    shown |= evidence.sensor_anew.has_value();
  }
  EXPECT_TRUE(shown);
}

}  // namespace
}  // namespace sluice::engine
