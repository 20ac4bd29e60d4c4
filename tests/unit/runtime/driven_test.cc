// Points that run no agent: who speaks for them, and where orders go.

#include <gmock/gmock.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

class DrivenTest : public World {
 protected:
  static std::string Manifest(const std::string& point) {
    std::string text = kManifest;
    const std::string before = "  app-1: {address: [10.9.0.12]}\n";
    text.replace(
        text.find(before), before.size(),
        absl::StrCat(before, "  fw-1: {address: [10.9.0.13]}\n",
                     "  plc-1: {address: [10.9.0.14], ", point, "}\n"));
    return text;
  }
  void StartWith(const std::string& point) {
    Start(Manifest(point));
    ASSERT_TRUE(in_force_);
  }
  void AttachFor(const HostId& host, const HostId& speaker,
                 StreamId stream = 1) {
    ASSERT_TRUE(loop_->inbox()
                    .Tell({host, stream, Hello(host), nullptr, speaker})
                    .ok());
    Turn();
  }

  const HostId plc_ = HostId("plc-1");
  const HostId fw_ = HostId("fw-1");
};

TEST_F(DrivenTest, OrdersForOneGoToTheAgentThatActsForIt) {
  StartWith("enforcement: driven, through: fw-1");
  AttachFor(plc_, fw_);
  ASSERT_EQ(link_->welcomes.size(), 1u);
  EXPECT_EQ(link_->welcomes[0].host, plc_);
  IsolateAll();
  Turn();
  EXPECT_TRUE(std::any_of(
      link_->sent.begin(), link_->sent.end(),
      [&](const FakeLink::Sent& sent) { return sent.order.host == plc_; }));
}

TEST_F(DrivenTest, NobodyElseSpeaksForOne) {
  StartWith("enforcement: driven, through: fw-1");
  AttachFor(plc_, app_);
  ASSERT_EQ(link_->reasons.size(), 1u);
  EXPECT_THAT(link_->reasons[0], HasSubstr("is driven through 'fw-1'"));
  Attach(plc_, 2);  // with a certificate of its own, of earlier days
  ASSERT_EQ(link_->reasons.size(), 2u);
  AttachFor(db_, fw_, 3);
  ASSERT_EQ(link_->reasons.size(), 3u);
  EXPECT_THAT(link_->reasons[2], HasSubstr("has an agent of its own"));
  AttachFor(HostId("stranger"), fw_, 4);
  EXPECT_EQ(link_->reasons.size(), 4u);
  EXPECT_TRUE(link_->welcomes.empty());
}

TEST_F(DrivenTest, AManualPointHasNoAgent) {
  StartWith("enforcement: manual");
  AttachFor(plc_, fw_);
  ASSERT_EQ(link_->reasons.size(), 1u);
  EXPECT_THAT(link_->reasons[0], HasSubstr("manual point"));
  // Nor one of its own: people's word would stand beside it.
  Attach(plc_, 2);
  ASSERT_EQ(link_->reasons.size(), 2u);
  EXPECT_THAT(link_->reasons[1], HasSubstr("take `enforcement: manual` out"));
  EXPECT_TRUE(link_->welcomes.empty());
}

// S5: people are asked though nothing can be recorded.
TEST_F(DrivenTest, AManualPointIsToBeClosedThoughTheDiskIsFull) {
  StartWith("enforcement: manual");
  journal_.FailWith(absl::ResourceExhaustedError("the disk is full"));
  IsolateAll();
  Turn();
  EXPECT_TRUE(link_->sent.empty());
  EXPECT_TRUE(std::any_of(
      sink_->lines.begin(), sink_->lines.end(), [](const HistoryLine& line) {
        return line.kind == "alarm" && line.who == "plc-1" &&
               line.sequence == 0 && absl::StrContains(line.text, "by hand");
      }));
}

TEST_F(DrivenTest, ANewPlanEndsTheStreamOfWhoMayNotSpeakAnyMore) {
  StartWith("enforcement: driven, through: fw-1");
  AttachFor(plc_, fw_);
  Attach(app_);
  engine::PlanAdopted adopted =
      Adopted(Manifest("enforcement: driven, through: app-1"));
  adopted.number = loop_->Look().engine.plan_number() + 1;
  adopted.by = OperatorId("duty-commander");
  const auto answer = Ask(adopted);
  Turn();
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->status.ok()) << (*answer)->status;
  ASSERT_EQ(link_->refused.size(), 1u);
  EXPECT_EQ(link_->refused[0].first, plc_);
  EXPECT_THAT(link_->reasons[0], HasSubstr("through 'app-1'"));
}

}  // namespace
}  // namespace sluice::runtime
