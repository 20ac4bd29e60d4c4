// The loop on a real journal: a disk that fills, a file that is copied.

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "orchestrator/journal/sqlite_journal.h"
#include "orchestrator/runtime/loop.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Stands in for a full disk: no file may grow beyond its first bytes.
class FullDisk {
 public:
  FullDisk() {
    std::signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
    const rlimit tight = {1000, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_;
};

// One orchestrator process on a journal of its own, its threads aside.
class Process {
 public:
  Process(const std::string& path, const std::string& instance,
          absl::Time now) {
    auto opened = journal::SqliteJournal::Open(path);
    EXPECT_TRUE(opened.ok()) << opened.status();
    journal = *std::move(opened);
    auto memory = Replay(*journal, LoadPlan);
    EXPECT_TRUE(memory.ok()) << memory.status();
    ended = memory->head.at;
    writer = std::make_unique<DirectWriter>(journal.get());
    loop = std::make_unique<Loop>(*std::move(memory), writer.get(), &link,
                                  &sink, LoopOptions{instance});
    EXPECT_TRUE(loop->Begin(Adopted(), now).ok());
  }
  engine::AgentConnected Hello(const HostId& host, uint64_t epoch) {
    engine::AgentConnected hello;
    hello.host = host;
    hello.highest_epoch = epoch;
    return hello;
  }
  void Attach(const HostId& host, StreamId stream, uint64_t epoch,
              absl::Time now) {
    EXPECT_TRUE(
        loop->inbox().Tell({host, stream, Hello(host, epoch), nullptr}).ok());
    loop->Turn(now);
  }
  std::optional<Answer> IsolateAll(absl::Time now) {
    auto answer = std::make_shared<std::optional<Answer>>();
    FromPerson request;
    request.make = [](const Glimpse&) {
      engine::IsolationOrdered order;
      order.by = OperatorId("duty-commander");
      order.reason = "drill";
      return order;
    };
    request.reply = [answer](const Answer& given) { *answer = given; };
    EXPECT_TRUE(loop->inbox().Isolate(std::move(request)).ok());
    loop->Turn(now);
    return *answer;
  }

  journal::MemoryJournal unused;
  FakeLink link{&unused};
  FakeSink sink;
  std::unique_ptr<journal::SqliteJournal> journal;
  absl::Time ended;  // where its journal ended when it began
  std::unique_ptr<DirectWriter> writer;
  std::unique_ptr<Loop> loop;
};

class OnDisk : public ::testing::Test {
 protected:
  OnDisk() {
    std::string name =
        (std::filesystem::temp_directory_path() / "sluice-loop-XXXXXX")
            .string();
    directory_ = mkdtemp(name.data());
    path_ = directory_ + "/journal.db";
  }
  ~OnDisk() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
  std::string path_;
  absl::Time now_ = absl::FromUnixSeconds(1'795'000'000);
  const HostId db_ = HostId("db-1");
};

TEST_F(OnDisk, AFullDiskStopsNoIsolationAndLosesNothing) {
  std::string digest;
  {
    Process process(path_, "one", now_);
    process.Attach(db_, 1, 0, now_);
    {
      const FullDisk full;
      const auto answer = process.IsolateAll(now_ + absl::Seconds(1));
      ASSERT_TRUE(answer.has_value());
      EXPECT_TRUE(answer->status.ok());
      EXPECT_FALSE(answer->recorded);
      EXPECT_THAT(answer->message, HasSubstr("not recorded"));
      EXPECT_EQ(process.link.sent.size(), 1u);
      EXPECT_THAT(process.loop->Look().journal_problem,
                  HasSubstr("journal.db"));
    }
    process.loop->Turn(now_ + absl::Seconds(3));
    EXPECT_THAT(process.loop->Look().journal_problem, IsEmpty());
    digest = process.loop->Look().engine.StateDigest();
  }
  // What was stepped while it was full is on disk now.
  auto journal = journal::SqliteJournal::Open(path_);
  ASSERT_TRUE(journal.ok()) << journal.status();
  const auto memory = Replay(**journal, LoadPlan);
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->engine.StateDigest(), digest);
}

TEST_F(OnDisk, ACopyGoesOnUnderAHigherEpochAndTheOriginalIsOvertaken) {
  Process first(path_, "one", now_);
  first.Attach(db_, 1, 0, now_);
  first.IsolateAll(now_ + absl::Seconds(1));
  const std::string digest = first.loop->Look().engine.StateDigest();
  // As a backup takes it, while it is being written.
  const std::string copy = directory_ + "/copy.db";
  for (const char* end : {"", "-wal", ".head"}) {
    std::filesystem::copy_file(path_ + end, copy + end);
  }
  {
    auto journal = journal::SqliteJournal::Open(copy);
    ASSERT_TRUE(journal.ok()) << journal.status();
    const auto memory = Replay(**journal, LoadPlan);
    ASSERT_TRUE(memory.ok()) << memory.status();
    EXPECT_EQ(memory->engine.StateDigest(), digest);
  }
  const absl::Time later = now_ + absl::Hours(3);
  Process second(copy, "two", later);
  EXPECT_EQ(second.loop->Look().engine.epoch(), 2u);
  EXPECT_EQ(later - second.ended, absl::Hours(3) - absl::Seconds(1))
      << "its age, which the program says";
  second.Attach(db_, 1, 1, later);
  ASSERT_EQ(second.link.welcomes.size(), 1u);
  EXPECT_EQ(second.link.welcomes[0].epoch, 2u);
  // What was outstanding goes out again, under the epoch that agents obey.
  EXPECT_TRUE(std::any_of(second.link.sent.begin(), second.link.sent.end(),
                          [](const FakeLink::Sent& sent) {
                            return sent.epoch == 2 &&
                                   std::holds_alternative<engine::IsolateHost>(
                                       sent.order.what);
                          }));
  // A host that has seen epoch 2 does not take the first one's old word.
  first.link.welcomes.clear();
  first.Attach(db_, 2, 2, now_ + absl::Seconds(5));
  ASSERT_EQ(first.link.welcomes.size(), 1u);
  EXPECT_EQ(first.link.welcomes[0].epoch, 3u);
  EXPECT_TRUE(std::any_of(first.sink.lines.begin(), first.sink.lines.end(),
                          [](const HistoryLine& line) {
                            return line.text.find("another orchestrator") !=
                                   std::string::npos;
                          }));
}

TEST_F(OnDisk, ADiskThatCannotBeWrittenStopsAFirstStartInASentence) {
  const FullDisk full;
  const auto journal = journal::SqliteJournal::Open(path_);
  ASSERT_FALSE(journal.ok());
  EXPECT_THAT(journal.status().message(), HasSubstr("journal.db"));
}

}  // namespace
}  // namespace sluice::runtime
