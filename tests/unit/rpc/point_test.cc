// Whose word on what was done by hand is taken, and what of it was signed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "common/decision_text.h"
#include "orchestrator/rpc/status_messages.h"
#include "sluice/v1/operator.pb.h"
#include "tests/unit/rpc/keyed_world.h"

namespace sluice::rpc {
namespace {

using ::testing::HasSubstr;

class Points : public KeyedWorld {
 protected:
  void SetUp() override {
    Begin(WithKeys(absl::StrReplaceAll(
        testing::kUtility,
        {{"  dir-1: {address: [10.0.1.1]}",
          "  dir-1: {address: [10.0.1.1], enforcement: manual, instructions: "
          "{owner: system-owner, close: pull it, open: plug it}}"}})));
    const auto tasks = world_.engine().MakeView(world_.now()).point_tasks;
    ASSERT_EQ(tasks.size(), 1u);
    task_ = tasks[0];
  }

  PointText Text() {
    const engine::View view = world_.engine().MakeView(world_.now());
    PointText text{.estate = view.estate,
                   .run = view.run.id,
                   .point = task_.host,
                   .task = task_.id,
                   .order = task_.order.str(),
                   .verb = task_.verb,
                   .done = true,
                   .saw = "it is dark"};
    return text;
  }
  v1::ReportPointRequest Request(const PointText& text,
                                 const std::string& signer) {
    v1::ReportPointRequest request;
    request.set_task(text.task.str());
    request.set_done(text.done);
    request.set_saw(text.saw);
    request.set_signature(
        keys_.at(signer).Sign(signed_as::kPoint, text.Body()));
    return request;
  }
  absl::StatusOr<engine::Event> Make(const std::string& by,
                                     const v1::ReportPointRequest& request) {
    return MadeNow(MakePointReport(OperatorId(by), request));
  }

  engine::PointTaskView task_;
};

TEST_F(Points, AreReportedWithTheSignatureOfWhoDidIt) {
  const auto event = Make("billing-owner", Request(Text(), "billing-owner"));
  ASSERT_TRUE(event.ok()) << event.status();
  const auto& word = std::get<engine::PointReported>(*event);
  EXPECT_EQ(*word.text, Text().Body());
  EXPECT_EQ(word.order, task_.order);
  EXPECT_TRUE(Apply(event).ok());
  EXPECT_TRUE(world_.engine().MakeView(world_.now()).point_tasks.empty());
}

TEST_F(Points, AreNotReportedWithoutAFittingSignature) {
  const auto refused = [&](const v1::ReportPointRequest& request,
                           const std::string& by = "billing-owner") {
    const auto event = Make(by, request);
    EXPECT_FALSE(event.ok());
    return event.status();
  };
  v1::ReportPointRequest request = Request(Text(), "billing-owner");
  request.clear_signature();
  EXPECT_THAT(refused(request).message(), HasSubstr("without a signature"));
  // Another person's key, another purpose, or forged out of nothing.
  EXPECT_EQ(refused(Request(Text(), "duty-commander")).code(),
            absl::StatusCode::kPermissionDenied);
  request.set_signature(
      keys_.at("billing-owner").Sign(signed_as::kTask, Text().Body()));
  EXPECT_EQ(refused(request).code(), absl::StatusCode::kPermissionDenied);
  request.set_signature(
      SshSigner::Make().Sign(signed_as::kPoint, Text().Body()));
  EXPECT_EQ(refused(request).code(), absl::StatusCode::kPermissionDenied);
  request.set_signature("-----BEGIN SSH SIGNATURE-----\nAAAA\n");
  EXPECT_FALSE(refused(request).ok());
  request.set_signature(std::string(20'000, 'x'));
  EXPECT_THAT(refused(request).message(), HasSubstr("16 KiB"));
  // Signed for another order, point, verb or flow, or seen otherwise.
  for (auto change :
       {+[](PointText* text) { text->order += "0"; },
        +[](PointText* text) { text->point = HostId("db-1"); },
        +[](PointText* text) { text->verb = "open"; },
        +[](PointText* text) { text->run = RunId("run-2"); },
        +[](PointText* text) {
          text->flows.push_back(*Flow::Parse("tcp 10.0.1.2 10.0.1.1 389"));
        },
        +[](PointText* text) { text->done = false; }}) {
    PointText text = Text();
    change(&text);
    request = Request(text, "billing-owner");
    request.set_task(task_.id.str());
    request.set_done(true);
    EXPECT_EQ(refused(request).code(), absl::StatusCode::kPermissionDenied);
  }
  request = Request(Text(), "billing-owner");
  request.set_saw("it is green");
  EXPECT_EQ(refused(request).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(Points, AreReportedByThoseWhomTheyAreFor) {
  EXPECT_THAT(Make("duty-commander", Request(Text(), "duty-commander"))
                  .status()
                  .message(),
              HasSubstr("is for a system-owner"));
  v1::ReportPointRequest request = Request(Text(), "billing-owner");
  EXPECT_EQ(Make("stranger", request).status().code(),
            absl::StatusCode::kPermissionDenied);
  request.set_task("dir-1/open-9");
  EXPECT_EQ(Make("billing-owner", request).status().code(),
            absl::StatusCode::kNotFound);
  request.set_task(std::string(600, 'x'));
  EXPECT_EQ(Make("billing-owner", request).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(Points, AndWhatTheyDoNotKeepAreInTheStatus) {
  static const runtime::History history;
  static const runtime::Durations durations;
  const std::string none;
  v1::Status status;
  FillStatus(runtime::Glimpse{world_.engine(), history, world_.now(), 1, none,
                              none, 1, none, durations},
             &status);
  ASSERT_EQ(status.point_tasks_size(), 1);
  EXPECT_EQ(status.point_tasks(0).id(), task_.id.str());
  EXPECT_EQ(status.point_tasks(0).instructions(), "pull it");
  EXPECT_EQ(status.point_tasks(0).owner(), "system-owner");
  int manual = 0;
  for (const v1::Host& host : status.hosts()) {
    EXPECT_EQ(host.has_not_kept(), host.id() == "dir-1") << host.id();
    if (host.enforcement() == "manual") ++manual;
  }
  EXPECT_EQ(manual, 1);
  for (const v1::Step& step : status.steps()) {
    // The database's flows to the directory pass it too.
    const bool passes = step.id() == "directory" || step.id() == "database" ||
                        step.id() == "reporting";
    EXPECT_EQ(step.not_kept_size(), passes ? 1 : 0) << step.id();
  }
  v1::GateDetail gate;
  FillGateDetail(
      runtime::Glimpse{world_.engine(), history, world_.now(), 1, none, none, 1,
                       none, durations},
      *world_.engine().MakeGateDetail(StageId("foundations"), world_.now()),
      &gate);
  ASSERT_EQ(gate.not_kept_size(), 1);
  EXPECT_EQ(gate.not_kept(0).enforcement(), "manual");
  EXPECT_THAT(gate.not_kept(0).text(), HasSubstr("S1 to S5"));
}

}  // namespace
}  // namespace sluice::rpc
