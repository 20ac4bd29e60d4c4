// An agent that acts for a point without one, against a real server.

#include "tests/unit/rpc/server_fixture.h"

namespace sluice::rpc {
namespace {

using ::testing::HasSubstr;

class ActingTest : public ServerTest {
 protected:
  std::string InForce() const override {
    std::string text = ServerTest::InForce();
    const std::string before = "  app-1: {address: [10.9.0.12]}\n";
    text.replace(text.find(before), before.size(),
                 absl::StrCat(before,
                              "  plc-1: {address: [10.9.0.14], enforcement: "
                              "driven, through: app-1}\n"));
    return text;
  }
  grpc::Status Refused(const Pair& pair, const std::string& acts_for) {
    Agent agent(Dial(pair), acts_for);
    agent.Hello();
    EXPECT_FALSE(agent.Read().has_value());
    return agent.Finish();
  }
  std::string LinkOf(const std::string& host) {
    const v1::Status status = StatusNow();
    for (const v1::Host& one : status.hosts()) {
      if (one.id() == host) return one.link();
    }
    return "no such host";
  }
};

TEST_F(ActingTest, SpeaksForThePointThatIsDrivenThroughIt) {
  Agent own(Dial(TheKeys().app));
  own.Hello();
  ASSERT_TRUE(own.Read().has_value());
  Agent point(Dial(TheKeys().app), "plc-1");
  point.Hello();
  ASSERT_TRUE(point.Read().has_value());
  EXPECT_EQ(LinkOf("plc-1"), "connected");
  EXPECT_EQ(LinkOf("app-1"), "connected") << "its own stream goes on";

  grpc::ClientContext context;
  v1::IsolateRequest request;
  request.set_host("plc-1");
  const auto reader = Operator("duty-commander")->Isolate(&context, request);
  const auto order = point.ReadOrder();
  ASSERT_TRUE(order.has_value());
  EXPECT_TRUE(order->has_isolate_host());
  context.TryCancel();
}

TEST_F(ActingTest, IsRefusedForAnyOtherAndDisturbsNobody) {
  Agent db(Dial(TheKeys().db));
  db.Hello();
  ASSERT_TRUE(db.Read().has_value());
  Agent point(Dial(TheKeys().app), "plc-1");
  point.Hello();
  ASSERT_TRUE(point.Read().has_value());

  EXPECT_THAT(Refused(TheKeys().db, "plc-1").error_message(),
              HasSubstr("is driven through 'app-1'"));
  EXPECT_THAT(Refused(TheKeys().app, "db-1").error_message(),
              HasSubstr("has an agent of its own"));
  EXPECT_THAT(Refused(TheKeys().app, "nobody").error_message(),
              HasSubstr("not in the manifest in force"));
  EXPECT_THAT(Refused(TheKeys().app, "PLC 1").error_message(),
              HasSubstr("no host's name"));
  EXPECT_EQ(LinkOf("db-1"), "connected");
  EXPECT_EQ(LinkOf("plc-1"), "connected");
}

TEST_F(ActingTest, ItsGoodbyeSaysWhyThePointIsUnknown) {
  Agent point(Dial(TheKeys().app), "plc-1");
  point.Hello();
  ASSERT_TRUE(point.Read().has_value());
  v1::AgentMessage goodbye;
  goodbye.mutable_goodbye()->set_reason("the driver did not end within 5s");
  ASSERT_TRUE(point.Write(goodbye));
  while (point.Read().has_value()) {
  }
  EXPECT_FALSE(point.Finish().ok());
  while (LinkOf("plc-1") == "connected") std::this_thread::yield();
  grpc::ClientContext context;
  v1::History history;
  ASSERT_TRUE(
      Operator("duty-commander")->GetHistory(&context, {}, &history).ok());
  bool said = false;
  for (const v1::Entry& entry : history.entries()) {
    said |= entry.text().find("did not end within 5s") != std::string::npos;
  }
  EXPECT_TRUE(said);
}

}  // namespace
}  // namespace sluice::rpc
