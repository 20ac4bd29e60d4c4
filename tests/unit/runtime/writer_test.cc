#include "orchestrator/runtime/writer.h"

#include <gtest/gtest.h>

#include <future>

#include "orchestrator/journal/commands_digest.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::runtime {
namespace {

std::vector<journal::Record> One() {
  journal::Record record;
  record.sequence = 1;
  record.at = absl::UnixEpoch();
  record.previous = journal::GenesisHash();
  record.commands = journal::CommandsDigest({});
  record.hash = journal::RecordHash(record);
  return {record};
}

TEST(ThreadWriter, GivesWhatItCameTo) {
  StickingJournal journal;
  ThreadWriter writer(&journal);
  writer.Begin(1, One(), nullptr);
  const auto written = writer.Result(absl::InfiniteDuration());
  ASSERT_TRUE(written.has_value());
  EXPECT_TRUE(written->ok());
  EXPECT_EQ(journal.size(), 1u);
  writer.Begin(7, One(), nullptr);
  EXPECT_EQ(writer.Result(absl::InfiniteDuration())->code(),
            absl::StatusCode::kAborted);
}

TEST(ThreadWriter, IsNotWaitedForAndTellsWhenItIsOver) {
  StickingJournal journal;
  journal.set_stuck(true);
  ThreadWriter writer(&journal);
  std::promise<void> ended;
  writer.Begin(1, One(), [&] { ended.set_value(); });
  EXPECT_FALSE(writer.Result(absl::ZeroDuration()).has_value());
  EXPECT_FALSE(writer.Result(absl::Milliseconds(1)).has_value());
  journal.set_stuck(false);
  ended.get_future().wait();
  EXPECT_TRUE(writer.Result(absl::ZeroDuration())->ok());
}

TEST(ThreadWriter, TellsNobodyThatItShouldForget) {
  StickingJournal journal;
  journal.set_stuck(true);
  bool told = false;
  {
    ThreadWriter writer(&journal);
    writer.Begin(1, One(), [&] { told = true; });
    writer.Forget();
    journal.set_stuck(false);
  }
  EXPECT_FALSE(told);
  EXPECT_EQ(journal.size(), 1u) << "what was begun is finished";
}

}  // namespace
}  // namespace sluice::runtime
