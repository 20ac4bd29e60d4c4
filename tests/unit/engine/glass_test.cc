// A host's root used its break-glass key: said, recorded, acknowledged, and
// left open until a person isolates the host.

#include "orchestrator/engine/glass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/break_glass.h"
#include "common/digest.h"
#include "tests/scenarios/fake_world.h"
#include "tests/unit/engine/test_plan.h"

namespace sluice::engine {
namespace {

using ::sluice::testing::FakeWorld;
using ::sluice::testing::kUtility;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const HostId kHost("app-1");

class Glass : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(world_.Adopt(kUtility), absl::OkStatus());
    world_.ConnectAll();
    Isolate();
    world_.TakeLog();
  }

  void Isolate() {
    IsolationOrdered isolate;
    isolate.by = OperatorId("duty-commander");
    ASSERT_EQ(world_.Isolate(isolate), absl::OkStatus());
  }

  std::string Text() {
    BreakGlass glass;
    glass.estate = EstateId("utility");
    glass.host = kHost;
    glass.quarantine_number = 1;
    glass.boot = "b";
    glass.reason = "the orchestrator burnt";
    return glass.Body();
  }

  // As the agent says it, whole host open.
  GlassBroken Break() {
    world_.agent(kHost).Open();
    world_.agent(kHost).broken_glass = {Sha256(Text())};
    return {kHost, Text(), "SIG", false,
            world_.agent(kHost).Fence(world_.now())};
  }

  HostView View() {
    for (const HostView& host : world_.engine().MakeView(world_.now()).hosts) {
      if (host.id == kHost) return host;
    }
    return {};
  }

  std::vector<std::string> Log() {
    std::vector<std::string> lines;
    for (const FakeWorld::Entry& entry : world_.TakeLog()) {
      lines.push_back(entry.text);
    }
    return lines;
  }

  FakeWorld world_;
};

TEST_F(Glass, IsSaidAndNotedAndNotClosedByTheOrchestrator) {
  world_.Tell(Break());
  EXPECT_THAT(Log(), AllOf(Contains(AllOf(HasSubstr("alarm"),
                                          HasSubstr("everything, because: the "
                                                    "orchestrator burnt"))),
                           Contains("> app-1 glass noted"),
                           Not(Contains(HasSubstr("> app-1 isolate")))));
  EXPECT_THAT(View().broken_glass, HasSubstr("the orchestrator burnt"));
  EXPECT_EQ(View().fence, "open");
  // The next orchestrator hears of it in the hello, before its reason.
  world_.Restart();
  world_.ConnectAll();
  EXPECT_THAT(Log(), Not(Contains(HasSubstr("> app-1 isolate"))));
  EXPECT_EQ(View().fence, "open");
  Engine replayed;
  EXPECT_EQ(world_.Replay(&replayed), "");
}

TEST_F(Glass, SaidAgainIsNotedAgainWithoutAnotherAlarm) {
  world_.Tell(Break());
  world_.TakeLog();
  world_.Tell(Break());
  EXPECT_THAT(Log(), AllOf(Contains("> app-1 glass noted"),
                           Not(Contains(HasSubstr("alarm")))));
}

TEST_F(Glass, IsOverWhenTheHostIsIsolated) {
  world_.Tell(Break());
  world_.agent(kHost).broken_glass.clear();  // as its agent does
  Isolate();
  EXPECT_EQ(View().broken_glass, "");
  EXPECT_EQ(View().fence, "quarantined");
  // From here on an open fence is what it always was.
  world_.TakeLog();
  world_.Lose(kHost);
  world_.agent(kHost).Open();
  world_.Connect(kHost);
  EXPECT_THAT(Log(), Contains(HasSubstr("> app-1 isolate")));
}

TEST_F(Glass, WithATextThatCannotBeReadIsSaidAllTheSame) {
  GlassBroken broken = Break();
  broken.text = "\x01";
  world_.Tell(broken);
  EXPECT_THAT(Log(), Contains(HasSubstr("a text that cannot be read")));
}

}  // namespace
}  // namespace sluice::engine
