// Agents and people that say too much, or come and go without end.

#include <gmock/gmock.h>

#include <algorithm>

#include "orchestrator/runtime/loop.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::runtime {
namespace {

using ::testing::IsEmpty;

class FloodTest : public World {};

engine::RunStarted StartRun() {
  return {RunId("2026-11-21-1"), OperatorId("duty-commander")};
}

engine::LeaseLost Babble(const HostId& host) {
  return {host, "sha256:" + std::string(64, 'a')};
}

TEST_F(FloodTest, DropsReportsOnOrdersThatNobodyGave) {
  Attach(db_);
  const size_t before = journal_.records().size();
  engine::OrderReported report;
  report.host = db_;
  for (const char* id : {"-/1/0", "-/99/0", "nonsense", "", "-/1/0~x"}) {
    report.order = engine::OrderId(id);
    int taken = 0;
    ASSERT_TRUE(loop_->inbox().Tell({db_, 1, report, [&] { ++taken; }}).ok());
    Turn();
    EXPECT_EQ(taken, 1) << "its stream reads on";
  }
  EXPECT_EQ(journal_.records().size(), before);
}

TEST_F(FloodTest, DropsAReportOnAnotherHostsOrder) {
  Attach(db_);
  Attach(app_);
  IsolateAll();
  Turn();
  const size_t before = journal_.records().size();
  for (const FakeLink::Sent& sent : link_->sent) {
    engine::OrderReported report;
    report.order = sent.order.id;
    report.host = sent.order.host == db_ ? app_ : db_;
    Say(report.host, 1, report);
  }
  Turn();
  EXPECT_EQ(journal_.records().size(), before);
}

TEST_F(FloodTest, ALittleOfWhatAMadHostSaysReachesTheJournal) {
  Attach(db_);
  Attach(app_);
  const size_t before = journal_.records().size();
  // It says the next thing as soon as its stream is read on, for 100 seconds.
  bool ready = true;
  uint64_t said = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (ready) {
      ready = false;
      ++said;
      ASSERT_TRUE(loop_->inbox()
                      .Tell({db_, 1, Babble(db_), [&] { ready = true; }})
                      .ok());
    }
    Turn(absl::Milliseconds(1));
  }
  EXPECT_LE(journal_.records().size() - before, 500 + 2 * 100 + 10);
  EXPECT_GE(journal_.records().size() - before, 500u) << "nothing is lost";
  EXPECT_LE(said, journal_.records().size() - before + 1);
  EXPECT_EQ(std::count_if(sink_->lines.begin(), sink_->lines.end(),
                          [](const HistoryLine& line) {
                            return line.text.find("more slowly") !=
                                   std::string::npos;
                          }),
            1);
}

TEST_F(FloodTest, AMadHostHarmsNobodyElse) {
  Attach(db_);
  Attach(app_);
  bool ready = true;
  for (int i = 0; i < 2000; ++i) {
    if (ready) {
      ready = false;
      ASSERT_TRUE(loop_->inbox()
                      .Tell({db_, 1, Babble(db_), [&] { ready = true; }})
                      .ok());
    }
    Turn(absl::Milliseconds(1));
  }
  EXPECT_FALSE(ready) << "it is slowed down";
  // Others are heard at once, it is isolated at once, and its loss is noticed.
  size_t before = journal_.records().size();
  Say(app_, 1, Babble(app_));
  Turn();
  EXPECT_EQ(journal_.records().size(), before + 1);
  link_->sent.clear();
  const auto answer = IsolateAll();
  Turn();
  EXPECT_EQ(link_->sent.size(), 2u);
  ObeyIsolations();
  EXPECT_EQ(loop_->Look().engine.IsolationSince((*answer)->sequence).read_back,
            2);
  before = journal_.records().size();
  Say(db_, 1, engine::AgentLost{db_, "gone"});
  Turn();
  EXPECT_GE(journal_.records().size(), before + 1);
}

TEST_F(FloodTest, SlowsDownAHostThatComesAndGoes) {
  const size_t before = journal_.records().size();
  for (StreamId stream = 1; stream <= 5000; ++stream) {
    Say(db_, stream, Hello(db_));
    Turn(absl::Milliseconds(1));
    Say(db_, stream, engine::AgentLost{db_, "gone"});
    Turn(absl::Milliseconds(1));
  }
  EXPECT_LE(journal_.records().size() - before, 600u);
  // In peace it is welcome again.
  link_->welcomes.clear();
  Say(db_, 6000, Hello(db_));
  Turn();
  EXPECT_THAT(link_->welcomes, IsEmpty());
  Turn(next_ - now_);
  Turn(absl::Seconds(2));
  ASSERT_EQ(link_->welcomes.size(), 1u);
  EXPECT_EQ(link_->welcomes[0].stream, 6000u);
}

TEST_F(FloodTest, AnswersThatWereAskedForCostAHostNothing) {
  Attach(db_);
  for (int i = 0; i < 1000; ++i) {
    IsolateAll();
    Turn();
    ObeyIsolations();
  }
  const auto answer = IsolateAll();
  Turn();
  ObeyIsolations();
  EXPECT_EQ(loop_->Look().engine.IsolationSince((*answer)->sequence).read_back,
            1);
}

TEST_F(FloodTest, RefusesAPersonsProgramThatAsksWithoutEnd) {
  Attach(db_);
  Attach(app_);
  IsolateAll();
  Turn();
  ObeyIsolations();
  Ask(StartRun());
  Turn();
  const size_t before = journal_.records().size();
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto answer =
        i % 2 == 0 ? Ask(engine::RunPaused{OperatorId("duty-commander")})
                   : Ask(engine::RunResumed{OperatorId("duty-commander")});
    Turn(absl::Milliseconds(1));
    ASSERT_TRUE(answer->has_value());
    refused += absl::IsResourceExhausted((*answer)->status) ? 1 : 0;
  }
  EXPECT_GE(refused, 700);
  EXPECT_LE(journal_.records().size() - before, 600u);
  const auto isolated = IsolateAll();
  Turn();
  EXPECT_TRUE((*isolated)->status.ok());
}

// ── the inbox ───────────────────────────────────────────────────────────────

TEST(Inbox, LetsNobodyFillALane) {
  Inbox inbox;
  const auto from = [](const char* who) {
    FromPerson request;
    request.who = OperatorId(who);
    return request;
  };
  size_t asked = 0;
  size_t isolated = 0;
  size_t looked = 0;
  while (inbox.Ask(from("one")).ok()) ++asked;
  while (inbox.Isolate(from("one")).ok()) ++isolated;
  while (inbox.LookAt([](const Glimpse&) {}, OperatorId("one")).ok()) ++looked;
  EXPECT_EQ(asked, Inbox::kMaxEach);
  EXPECT_EQ(isolated, Inbox::kMaxEach);
  EXPECT_EQ(looked, Inbox::kMaxEach);
  EXPECT_TRUE(inbox.Ask(from("other")).ok());
  EXPECT_TRUE(inbox.Isolate(from("other")).ok());
  EXPECT_TRUE(inbox.LookAt([](const Glimpse&) {}, OperatorId("other")).ok());
}

TEST(Inbox, RefusesMoreThanItHolds) {
  Inbox inbox;
  for (size_t i = 0; i < Inbox::kMaxPeople; ++i) {
    ASSERT_TRUE(inbox.Ask({}).ok());
  }
  EXPECT_EQ(inbox.Ask({}).code(), absl::StatusCode::kResourceExhausted);
  // Others' lanes have room still.
  EXPECT_TRUE(inbox.Isolate({}).ok());
  EXPECT_TRUE(inbox.Tell({}).ok());
}

}  // namespace
}  // namespace sluice::runtime
