#include "orchestrator/runtime/loop.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "common/digest.h"
#include "orchestrator/runtime/history.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const absl::Status kFull =
    absl::ResourceExhaustedError("the disk is full, make room");

class LoopTest : public World {};

engine::RunStarted StartRun() {
  return {RunId("2026-11-21-1"), OperatorId("duty-commander")};
}

// ── starting ────────────────────────────────────────────────────────────────

TEST_F(LoopTest, BeginsAReignAndAdoptsThePlan) {
  ASSERT_EQ(journal_.records().size(), 2u);
  EXPECT_EQ(loop_->Look().engine.epoch(), 1u);
  EXPECT_TRUE(in_force_);
  ASSERT_NE(loop_->Look().engine.plan(), nullptr);
  EXPECT_EQ(journal_.appends(), 1);
}

TEST_F(LoopTest, BeginsAHigherReignAtEachStartAndKeepsThePlan) {
  Start();
  EXPECT_EQ(loop_->Look().engine.epoch(), 2u);
  EXPECT_EQ(journal_.records().size(), 3u);
}

TEST_F(LoopTest, AdoptsAChangedManifestBetweenRuns) {
  std::string changed = kManifest;
  changed.replace(changed.find("soak: 5s"), 8, "soak: 6s");
  const std::string before = loop_->Look().engine.plan()->digest;
  Start(changed);
  EXPECT_TRUE(in_force_);
  EXPECT_NE(loop_->Look().engine.plan()->digest, before);
}

TEST_F(LoopTest, StartsAboveEveryEpochAnAgentHasSeen) {
  Attach(db_, 1, 7);  // begins reign 8 at once
  EXPECT_EQ(loop_->Look().engine.epoch(), 8u);
  Start();
  EXPECT_EQ(loop_->Look().engine.epoch(), 9u);
}

TEST(LoopStart, StopsAtAFirstStartThatCannotBeRecorded) {
  journal::MemoryJournal journal;
  FakeLink link(&journal);
  FakeSink sink;
  DirectWriter writer(&journal);
  Loop loop(Memory(), &writer, &link, &sink, {"x"});
  journal.FailWith(kFull);
  EXPECT_THAT(loop.Begin(Adopted(), absl::UnixEpoch()).status().message(),
              HasSubstr("make room"));
}

TEST_F(LoopTest, ServesIsolationsWhenItsStartCannotBeRecorded) {
  journal_.FailWith(kFull);
  Start();
  EXPECT_THAT(loop_->Look().journal_problem, HasSubstr("make room"));
  Attach(db_, 1, 1);
  ASSERT_EQ(link_->welcomes.size(), 1u);
  EXPECT_EQ(link_->welcomes[0].epoch, 1u) << "reign 2 is not on disk";
  const auto answer = IsolateAll();
  Turn();
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->status.ok());
  EXPECT_FALSE((*answer)->recorded);
  ASSERT_EQ(link_->sent.size(), 1u);
  EXPECT_EQ(link_->sent[0].epoch, 1u);
  // Once it is recorded, the host attaches again under the new reign.
  journal_.FailWith(absl::OkStatus());
  Turn(absl::Seconds(2));
  ASSERT_EQ(link_->refused.size(), 1u);
  EXPECT_EQ(link_->refused[0].first, db_);
  Attach(db_, 2, 1);
  EXPECT_EQ(link_->welcomes.back().epoch, 2u);
}

TEST_F(LoopTest, GoesOnWithTheJournalsTimeWhenTheClockIsBehind) {
  Attach(db_);
  const absl::Time last = journal_.records().back().at;
  now_ -= absl::Hours(5);
  Start();
  Attach(db_, 1);
  EXPECT_GT(journal_.records().back().at, last);
  // Time passes as the clock does, and the next turn is told by the clock.
  const absl::Time before = loop_->Look().now;
  Turn(absl::Seconds(3));
  EXPECT_EQ(loop_->Look().now - before, absl::Seconds(3));
  EXPECT_LE(next_ - now_, absl::Seconds(1));
}

// ── replay ──────────────────────────────────────────────────────────────────

TEST_F(LoopTest, GivesTheSameStateWhenReplayed) {
  Attach(db_);
  Attach(app_, 2);
  IsolateAll();
  Turn();
  ObeyIsolations();
  const auto history = loop_->Look().history.From(0, 1000);
  const auto memory = Replay(journal_, LoadPlan);
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->engine.StateDigest(), Digest());
  EXPECT_EQ(memory->history.From(0, 1000), history);
  EXPECT_EQ(memory->head.hash, loop_->Look().head);
}

TEST_F(LoopTest, IsTheSameAfterBeingStoppedAtAnyRecord) {
  // The digest of the state after each record, as it was lived.
  std::map<size_t, std::string> lived;
  const auto note = [&] { lived[journal_.records().size()] = Digest(); };
  Attach(db_);
  note();
  Attach(app_, 2);
  note();
  IsolateAll();
  Turn();
  note();
  ObeyIsolations();
  note();
  for (const auto& [size, digest] : lived) {
    journal::MemoryJournal cut;
    ASSERT_TRUE(cut.Append(1, {journal_.records().data(), size}).ok());
    const auto memory = Replay(cut, LoadPlan);
    ASSERT_TRUE(memory.ok()) << memory.status();
    EXPECT_EQ(memory->engine.StateDigest(), digest) << size;
  }
}

TEST_F(LoopTest, StopsAtARecordThatItWouldActOnOtherwise) {
  Attach(db_);
  IsolateAll();
  Turn();
  journal::Record& last = journal_.records().back();
  last.commands = journal_.records().front().commands;
  last.hash = journal::RecordHash(last);
  const auto memory = Replay(journal_, LoadPlan);
  EXPECT_EQ(memory.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(memory.status().message(), HasSubstr("isolation ordered"));
  EXPECT_THAT(memory.status().message(),
              HasSubstr("journal record " + std::to_string(last.sequence)));
}

TEST_F(LoopTest, StopsAtADamagedRecord) {
  Attach(db_);
  journal_.records()[1].payload += "x";
  EXPECT_THAT(Replay(journal_, LoadPlan).status().message(),
              HasSubstr("record 2 "));
}

// ── on disk first ───────────────────────────────────────────────────────────

TEST_F(LoopTest, LetsNothingLeaveBeforeItIsOnDisk) {
  Attach(db_);
  Attach(app_, 2);
  const auto answer = IsolateAll();
  EXPECT_FALSE(answer->has_value());
  Turn();
  ASSERT_THAT(link_->sent, Not(IsEmpty()));
  for (const FakeLink::Sent& sent : link_->sent) {
    EXPECT_EQ(sent.records, journal_.records().size());
  }
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->status.ok());
  EXPECT_TRUE((*answer)->recorded);
  EXPECT_EQ((*answer)->sequence, journal_.records().back().sequence);
}

TEST_F(LoopTest, WritesATurnInOneAppend) {
  const int before = journal_.appends();
  Say(db_, 1, Hello(db_));
  Say(app_, 2, Hello(app_));
  Turn();
  EXPECT_EQ(journal_.appends(), before + 1);
  Turn();
  EXPECT_EQ(journal_.appends(), before + 1) << "an idle turn writes nothing";
}

TEST_F(LoopTest, RecordsNoRefusal) {
  const size_t before = journal_.records().size();
  const auto answer = Ask(engine::RunPaused{OperatorId("duty-commander")});
  Turn();
  ASSERT_TRUE(answer->has_value());
  EXPECT_FALSE((*answer)->status.ok());
  EXPECT_EQ(journal_.records().size(), before);
}

TEST_F(LoopTest, TakesIsolationsBeforeAnythingElse) {
  Attach(db_);
  const auto start = Ask(StartRun());
  const auto isolated = IsolateAll();
  Turn();
  EXPECT_TRUE(isolated->has_value());
  EXPECT_FALSE(start->has_value());
  Turn();
  EXPECT_TRUE(start->has_value());
}

TEST_F(LoopTest, LetsIsolationsOfATurnLeaveFirst) {
  Attach(db_);
  Attach(app_, 2);
  IsolateAll();
  Turn();
  ObeyIsolations();
  Attach(app_, 3);
  link_->sent.clear();
  // One turn: a run starts, and then a host comes that was rolled back.
  Ask(StartRun());
  --fences_[app_].state_serial;
  Say(app_, 4, Hello(app_));
  Turn();
  ASSERT_EQ(link_->sent.size(), 2u);
  EXPECT_EQ(link_->sent[0].order.host, app_);
  EXPECT_TRUE(
      std::holds_alternative<engine::IsolateHost>(link_->sent[0].order.what));
  EXPECT_EQ(link_->sent[1].order.host, db_);
}

// ── a journal that cannot be written ────────────────────────────────────────

TEST_F(LoopTest, IsolatesAllTheSameAndSaysItIsNotRecorded) {
  Attach(db_);
  Attach(app_, 2);
  journal_.FailWith(kFull);
  const size_t before = journal_.records().size();
  const auto answer = IsolateAll();
  Turn();
  EXPECT_EQ(journal_.records().size(), before);
  EXPECT_EQ(link_->sent.size(), 2u);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->status.ok());
  EXPECT_FALSE((*answer)->recorded);
  EXPECT_THAT((*answer)->message, HasSubstr("Isolated, not recorded"));
  EXPECT_THAT(loop_->Look().journal_problem, HasSubstr("make room"));
}

TEST_F(LoopTest, CountsAnIsolationReadBackThoughItIsNotRecorded) {
  Attach(db_);
  Attach(app_, 2);
  journal_.FailWith(kFull);
  const auto answer = IsolateAll();
  Turn();
  const auto sent = link_->sent;
  for (const FakeLink::Sent& one : sent) {
    engine::OrderReported report;
    report.order = one.order.id;
    report.host = one.order.host;
    fences_[report.host].mode = engine::FenceSeen::Mode::kQuarantined;
    fences_[report.host].quarantine_number = 1;
    report.fence = fences_[report.host];
    Say(report.host, report.host == db_ ? 1 : 2, report);
  }
  Turn();
  const auto progress =
      loop_->Look().engine.IsolationSince((*answer)->sequence);
  EXPECT_EQ(progress.hosts, 2);
  EXPECT_EQ(progress.read_back, 2);
}

TEST_F(LoopTest, GivesUnrecordedOrdersNamesThatNoRecordWillHave) {
  Attach(db_);
  journal_.FailWith(kFull);
  IsolateAll();
  Turn();
  ASSERT_EQ(link_->sent.size(), 1u);
  const std::string unrecorded = link_->sent[0].order.id.str();
  // The process ends, nothing of it was written; another begins and isolates
  // at the same place of the journal.
  journal_.FailWith(absl::OkStatus());
  Start();
  Attach(db_);
  IsolateAll();
  Turn();
  ASSERT_THAT(link_->sent, Not(IsEmpty()));
  for (const FakeLink::Sent& sent : link_->sent) {
    EXPECT_NE(sent.order.id.str(), unrecorded);
  }
}

TEST_F(LoopTest, RefusesAllButIsolationWhileNothingCanBeRecorded) {
  Attach(db_);
  journal_.FailWith(kFull);
  Say(app_, 2, Hello(app_));
  Turn();
  const auto answer = Ask(StartRun());
  Turn();
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT((*answer)->status.message(), HasSubstr("nothing was done"));
  EXPECT_FALSE(loop_->Look().engine.run_active());
}

TEST_F(LoopTest, RenewsNoLeaseWhileNothingCanBeRecorded) {
  Attach(db_);
  link_->renewed.clear();
  Turn(absl::Seconds(1));
  EXPECT_EQ(link_->renewed.size(), 1u);
  journal_.FailWith(kFull);
  Say(app_, 2, Hello(app_));
  Turn();
  link_->renewed.clear();
  Turn(absl::Seconds(1));
  Turn(absl::Seconds(1));
  EXPECT_THAT(link_->renewed, IsEmpty());
  journal_.FailWith(absl::OkStatus());
  Turn(absl::Seconds(1));
  EXPECT_EQ(link_->renewed.size(), 2u);
}

TEST_F(LoopTest, CatchesUpWhenTheJournalCanBeWrittenAgain) {
  Attach(db_);
  journal_.FailWith(kFull);
  const auto answer = IsolateAll();
  Turn();
  const size_t sent = link_->sent.size();
  Attach(app_, 2);
  journal_.FailWith(absl::OkStatus());
  Turn(absl::Seconds(2));
  EXPECT_THAT(loop_->Look().journal_problem, IsEmpty());
  EXPECT_EQ(loop_->Look().sequence, journal_.records().back().sequence);
  // app-1 attached meanwhile and hears of the isolation; db-1 has heard.
  EXPECT_GE(link_->sent.size(), sent);
  const auto memory = Replay(journal_, LoadPlan);
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->engine.StateDigest(), Digest());
  EXPECT_TRUE(std::any_of(
      sink_->lines.begin(), sink_->lines.end(), [](const HistoryLine& line) {
        return line.text == "The journal can be written again.";
      }));
}

TEST_F(LoopTest, SaysOnceThatNothingCanBeRecorded) {
  Attach(db_);
  sink_->lines.clear();
  journal_.FailWith(kFull);
  IsolateAll();
  Turn();
  Turn(absl::Seconds(2));
  Turn(absl::Seconds(2));
  EXPECT_EQ(std::count_if(
                sink_->lines.begin(), sink_->lines.end(),
                [](const HistoryLine& line) { return line.kind == "alarm"; }),
            1);
}

// ── a disk that does not answer ─────────────────────────────────────────────

TEST_F(LoopTest, GivesTheDiskAMomentBeforeIsolatingUnrecorded) {
  Attach(db_);
  link_->sent.clear();
  writer_->set_hanging(true);
  const auto answer = IsolateAll();
  Turn();
  EXPECT_THAT(link_->sent, IsEmpty());
  EXPECT_FALSE(answer->has_value());
  EXPECT_LE(next_ - now_, absl::Milliseconds(100));
  writer_->set_hanging(false);
  Turn(absl::Milliseconds(50));
  ASSERT_EQ(link_->sent.size(), 1u);
  EXPECT_THAT(link_->sent[0].order.id.str(), Not(HasSubstr("~")));
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->recorded);
}

TEST_F(LoopTest, IsolatesWithoutADiskThatDoesNotAnswer) {
  Attach(db_);
  Attach(app_, 2);
  link_->sent.clear();
  const size_t records = journal_.records().size();
  writer_->set_hanging(true);
  const auto answer = IsolateAll();
  Turn();
  Turn(absl::Milliseconds(100));
  EXPECT_EQ(link_->sent.size(), 2u);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->status.ok());
  EXPECT_FALSE((*answer)->recorded);
  EXPECT_THAT((*answer)->message, HasSubstr("Isolated, not recorded"));
  // The next one does not wait at all, and looking works.
  engine::IsolationOrdered again;
  again.by = OperatorId("duty-commander");
  again.scope = engine::IsolationOrdered::Scope::kHost;
  again.host = db_;
  const auto second = Ask(again, true);
  bool looked = false;
  ASSERT_TRUE(
      loop_->inbox().LookAt([&](const Glimpse&) { looked = true; }).ok());
  Turn();
  EXPECT_TRUE(looked);
  ASSERT_TRUE(second->has_value());
  EXPECT_FALSE((*second)->recorded);
  EXPECT_EQ(journal_.records().size(), records);
}

TEST_F(LoopTest, CountsReadBacksWhileTheDiskDoesNotAnswer) {
  Attach(db_);
  link_->sent.clear();
  writer_->set_hanging(true);
  const auto answer = IsolateAll();
  Turn();
  Turn(absl::Milliseconds(100));
  ASSERT_TRUE(answer->has_value());
  ObeyIsolations();
  EXPECT_EQ(loop_->Look().engine.IsolationSince((*answer)->sequence).read_back,
            1);
}

TEST_F(LoopTest, WelcomesAndIsolatesWhoAttachesWhileTheDiskDoesNotAnswer) {
  IsolateAll();
  Turn();
  writer_->set_hanging(true);
  Attach(db_);
  EXPECT_THAT(link_->welcomes, IsEmpty()) << "the disk has a moment";
  Turn(absl::Milliseconds(100));
  ASSERT_EQ(link_->welcomes.size(), 1u);
  ASSERT_EQ(link_->sent.size(), 1u);
  EXPECT_EQ(link_->said[0], "welcome db-1");
  writer_->set_hanging(false);
  Turn();
  EXPECT_EQ(link_->sent.size(), 1u) << "not a second time";
}

TEST_F(LoopTest, LetsNothingThatOpensLeaveWhileTheDiskDoesNotAnswer) {
  Attach(db_);
  Attach(app_);
  IsolateAll();
  Turn();
  ObeyIsolations();
  link_->sent.clear();
  link_->renewed.clear();
  writer_->set_hanging(true);
  const auto answer = Ask(StartRun());
  Turn();
  Turn(absl::Milliseconds(500));
  EXPECT_THAT(link_->sent, IsEmpty());
  EXPECT_FALSE(answer->has_value());
  Turn(absl::Milliseconds(1500));
  ASSERT_TRUE(answer->has_value());
  EXPECT_THAT((*answer)->status.message(), HasSubstr("no effect"));
  EXPECT_THAT(loop_->Look().journal_problem, HasSubstr("does not answer"));
  EXPECT_THAT(link_->sent, IsEmpty());
  EXPECT_THAT(link_->renewed, IsEmpty());
  const auto refused = Ask(StartRun());
  Turn();
  ASSERT_TRUE(refused->has_value());
  EXPECT_THAT((*refused)->status.message(), HasSubstr("nothing was done"));
  writer_->set_hanging(false);
  Turn();
  EXPECT_THAT(loop_->Look().journal_problem, IsEmpty());
  EXPECT_TRUE(loop_->Look().engine.run_active());
  EXPECT_THAT(link_->sent, Not(IsEmpty()));
}

TEST_F(LoopTest, SendsNothingAfterwardsThatAnIsolationMadeVoid) {
  Attach(db_);
  Attach(app_);
  IsolateAll();
  Turn();
  ObeyIsolations();
  Turn();
  link_->sent.clear();
  writer_->set_hanging(true);
  Say(app_, 1, engine::LeaseLost{app_, Sha256("a release order")});
  Turn();
  const auto started = Ask(StartRun());
  Turn(absl::Milliseconds(200));
  IsolateAll();
  Turn(absl::Milliseconds(10));
  const auto isolates = [](const auto& sent) {
    return std::holds_alternative<engine::IsolateHost>(sent.order.what);
  };
  ASSERT_FALSE(link_->sent.empty());
  EXPECT_TRUE(isolates(link_->sent.front()));
  writer_->set_hanging(false);
  for (int i = 0; i < 5; ++i) Turn(absl::Milliseconds(1));
  ASSERT_TRUE(started->has_value());
  EXPECT_TRUE((*started)->status.ok()) << (*started)->status;
  for (const auto& sent : link_->sent) {
    EXPECT_FALSE(
        std::holds_alternative<engine::FreezeEvidence>(sent.order.what));
  }
}

TEST_F(LoopTest, IsTheSameHistoryAfterADiskThatHung) {
  Attach(db_);
  writer_->set_hanging(true);
  IsolateAll();
  Turn();
  for (int i = 0; i < 30; ++i) {
    Turn(absl::Milliseconds(100));
    if (i == 3) Attach(app_, 2);
    if (i == 10) ObeyIsolations();
    if (i == 20) Say(app_, 2, engine::AgentLost{app_, "gone"});
  }
  const size_t sent = link_->sent.size();
  writer_->set_hanging(false);
  Turn();
  Turn();
  EXPECT_EQ(loop_->Look().sequence, journal_.records().back().sequence);
  for (size_t i = sent; i < link_->sent.size(); ++i) {
    EXPECT_FALSE(
        std::holds_alternative<engine::IsolateHost>(link_->sent[i].order.what));
  }
  const auto memory = Replay(journal_, LoadPlan);
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->engine.StateDigest(), Digest());
  EXPECT_EQ(memory->head.hash, loop_->Look().head);
}

TEST_F(LoopTest, HoldsAStreamBackWhileItsReportIsBeingWritten) {
  int taken = 0;
  writer_->set_hanging(true);
  ASSERT_TRUE(loop_->inbox().Tell({db_, 1, Hello(db_), [&] { ++taken; }}).ok());
  Turn();
  EXPECT_EQ(taken, 0);
  writer_->set_hanging(false);
  Turn();
  EXPECT_EQ(taken, 1);
}

TEST_F(LoopTest, ServesIsolationsWhenItsStartIsNotAnswered) {
  const auto hangs = [this](DirectWriter* writer) {
    writer->set_hanging(true);
    auto memory = Replay(journal_, LoadPlan);
    ASSERT_TRUE(memory.ok());
    loop_ = std::make_unique<Loop>(*std::move(memory), writer, link_.get(),
                                   sink_.get(), LoopOptions{"later"});
    ASSERT_TRUE(loop_->Begin(Adopted(), now_).ok());
  };
  DirectWriter writer(&journal_);
  hangs(&writer);
  EXPECT_THAT(loop_->Look().journal_problem, HasSubstr("does not answer"));
  Attach(db_, 1, 1);
  ASSERT_EQ(link_->welcomes.size(), 1u);
  EXPECT_EQ(link_->welcomes[0].epoch, 1u) << "reign 2 is not on disk";
  IsolateAll();
  Turn();
  EXPECT_EQ(link_->sent.size(), 1u);
  writer.set_hanging(false);
  Turn();
  EXPECT_EQ(link_->refused.size(), 1u) << "it attaches again, under reign 2";
  loop_.reset();
}

// ── agents ──────────────────────────────────────────────────────────────────

TEST_F(LoopTest, WelcomesBeforeItOrders) {
  IsolateAll();
  Turn();
  link_->said.clear();
  Attach(db_);
  ASSERT_GE(link_->said.size(), 2u);
  EXPECT_EQ(link_->said[0], "welcome db-1");
}

TEST_F(LoopTest, RefusesAHostThatIsNotInTheManifest) {
  const size_t before = journal_.records().size();
  Attach(HostId("stranger"));
  ASSERT_EQ(link_->refused.size(), 1u);
  EXPECT_THAT(link_->reasons[0], HasSubstr("not in the manifest"));
  EXPECT_EQ(journal_.records().size(), before);
}

TEST_F(LoopTest, HearsOnlyTheNewestStreamOfAHost) {
  Attach(db_, 1);
  Attach(db_, 2);
  const size_t before = journal_.records().size();
  Say(db_, 1, engine::AgentLost{db_, "replaced"});
  Say(db_, 1, engine::LeaseLost{db_, "sha256:aa"});
  Turn();
  EXPECT_EQ(journal_.records().size(), before);
  Say(db_, 2, engine::AgentLost{db_, "gone"});
  Turn();
  EXPECT_EQ(journal_.records().size(), before + 1);
  Say(db_, 2, engine::AgentLost{db_, "gone"});
  Turn();
  EXPECT_EQ(journal_.records().size(), before + 1);
}

TEST_F(LoopTest, KeepsItsReignForAHostThatComesBack) {
  Attach(db_, 1);
  const uint64_t epoch = loop_->Look().engine.epoch();
  Attach(db_, 2, epoch);
  EXPECT_EQ(loop_->Look().engine.epoch(), epoch);
}

TEST_F(LoopTest, BeginsAReignAboveATwin) {
  Attach(db_, 1);
  // Our own epoch, though we never told this host: another orchestrator did.
  Attach(app_, 2, loop_->Look().engine.epoch());
  EXPECT_EQ(loop_->Look().engine.epoch(), 2u);
  ASSERT_EQ(link_->refused.size(), 1u);
  EXPECT_EQ(link_->refused[0].first, db_) << "it attaches again, under 2";
  EXPECT_EQ(link_->welcomes.back().host, app_);
  EXPECT_EQ(link_->welcomes.back().epoch, 2u);
}

TEST_F(LoopTest, IsNotKeptBusyWithReignsByOneHost) {
  Attach(db_, 1, 5);
  EXPECT_EQ(loop_->Look().engine.epoch(), 6u);
  Attach(db_, 2, 100);
  EXPECT_EQ(loop_->Look().engine.epoch(), 6u);
  EXPECT_EQ(link_->refused.size(), 1u);
}

TEST_F(LoopTest, DoesNotBelieveAnEpochBeyondReason) {
  Attach(db_, 1, UINT64_MAX);
  EXPECT_EQ(loop_->Look().engine.epoch(), 1u);
  EXPECT_EQ(link_->refused.size(), 1u);
}

TEST_F(LoopTest, LetsAStreamReadOnOnceItsEventWasTaken) {
  int taken = 0;
  ASSERT_TRUE(loop_->inbox().Tell({db_, 1, Hello(db_), [&] { ++taken; }}).ok());
  EXPECT_EQ(taken, 0);
  Turn();
  EXPECT_EQ(taken, 1);
}

TEST(History, KeepsTheNewestLines) {
  History history(3);
  for (uint64_t i = 1; i <= 5; ++i) {
    history.Add({i, absl::UnixEpoch(), "run", "", std::to_string(i)});
  }
  const auto lines = history.From(0, 10);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].sequence, 3u);
  EXPECT_EQ(history.From(4, 1).size(), 1u);
  EXPECT_EQ(history.From(6, 10).size(), 0u);
}

}  // namespace
}  // namespace sluice::runtime
