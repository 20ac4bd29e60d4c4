#include "orchestrator/journal/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "orchestrator/journal/commands_digest.h"
#include "orchestrator/journal/memory_journal.h"
#include "orchestrator/journal/sqlite_journal.h"

namespace sluice::journal {
namespace {

using ::testing::HasSubstr;

// `count` records that follow `head`.
std::vector<Record> Chain(Head head, int count) {
  std::vector<Record> records;
  for (int i = 0; i < count; ++i) {
    Record record;
    record.sequence = head.sequence + 1;
    record.at = absl::FromUnixMicros(1'000'000 + i);
    record.kind = 1;
    record.version = 1;
    record.payload = i % 3 == 0 ? "" : absl::StrCat("payload ", i);
    record.previous = head.hash;
    record.commands = CommandsDigest({});
    record.hash = RecordHash(record);
    head = Head{record.sequence, record.hash, record.at};
    records.push_back(std::move(record));
  }
  return records;
}

TEST(Chain, HoldsFromTheFirstRecordToTheLast) {
  MemoryJournal journal;
  const auto records = Chain(Head(), 20);
  ASSERT_TRUE(journal.Append(1, records).ok());
  const auto head = VerifyChain(journal);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->sequence, 20u);
  EXPECT_EQ(head->hash, records.back().hash);
}

TEST(Chain, NamesTheRecordOfWhichOneByteChanged) {
  for (size_t damaged = 0; damaged < 9; ++damaged) {
    MemoryJournal journal;
    ASSERT_TRUE(journal.Append(1, Chain(Head(), 9)).ok());
    Record& record = journal.records()[damaged];
    if (record.payload.empty()) {
      record.payload = "x";
    } else {
      record.payload[0] ^= 1;
    }
    const auto head = VerifyChain(journal);
    EXPECT_EQ(head.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(head.status().message(),
                HasSubstr(absl::StrCat("record ", damaged + 1, " ")));
  }
}

TEST(Chain, SeesEveryFieldThatIsChanged) {
  const std::vector<std::function<void(Record&)>> damages = {
      [](Record& r) { r.at += absl::Microseconds(1); },
      [](Record& r) { r.kind = 2; },
      [](Record& r) { r.version = 2; },
      [](Record& r) { r.previous = GenesisHash(); },
      [](Record& r) { r.commands = GenesisHash(); },
      [](Record& r) { r.hash = GenesisHash(); }};
  for (const auto& damage : damages) {
    MemoryJournal journal;
    ASSERT_TRUE(journal.Append(1, Chain(Head(), 5)).ok());
    damage(journal.records()[2]);
    EXPECT_THAT(VerifyChain(journal).status().message(),
                HasSubstr("record 3 "));
  }
}

TEST(Chain, NamesARecordThatIsGone) {
  MemoryJournal journal;
  ASSERT_TRUE(journal.Append(1, Chain(Head(), 5)).ok());
  journal.records().erase(journal.records().begin() + 2);
  EXPECT_THAT(VerifyChain(journal).status().message(),
              HasSubstr("record 3 is missing"));
}

TEST(Chain, NamesARecordRewrittenWithAFittingHash) {
  MemoryJournal journal;
  ASSERT_TRUE(journal.Append(1, Chain(Head(), 5)).ok());
  Record& record = journal.records()[2];
  record.payload = "another story";
  record.hash = RecordHash(record);
  EXPECT_THAT(VerifyChain(journal).status().message(), HasSubstr("record 4 "));
}

TEST(MemoryJournal, LosesWhatALyingDiskDidNotKeep) {
  MemoryJournal journal;
  const auto records = Chain(Head(), 5);
  ASSERT_TRUE(journal.Append(1, {records.data(), 3}).ok());
  journal.set_lying(true);
  ASSERT_TRUE(journal.Append(4, {records.data() + 3, 2}).ok());
  EXPECT_EQ(journal.Read(1, 10)->size(), 5u);
  journal.LosePower();
  EXPECT_EQ(journal.Read(1, 10)->size(), 3u);
}

TEST(MemoryJournal, LosesWholeTransactionsInACrash) {
  const auto records = Chain(Head(), 9);
  const auto size_of = [&](size_t from, size_t to) {
    MemoryJournal alone;
    EXPECT_TRUE(alone.Append(1, {records.data(), to}).ok());
    const size_t bytes = alone.bytes();
    MemoryJournal before;
    EXPECT_TRUE(before.Append(1, {records.data(), from}).ok());
    return bytes - before.bytes();
  };
  const size_t last = size_of(7, 9);
  const size_t middle = size_of(4, 7);
  const struct {
    size_t lost;
    size_t left;
  } kCases[] = {{0, 9},        {1, 7},
                {last, 7},     {last + 1, 4},
                {SIZE_MAX, 4}, {last + middle, 4}};
  for (const auto& one : kCases) {
    MemoryJournal journal;
    ASSERT_TRUE(journal.Append(1, {records.data(), 4}).ok());
    journal.set_lying(true);
    ASSERT_TRUE(journal.Append(5, {records.data() + 4, 3}).ok());
    ASSERT_TRUE(journal.Append(8, {records.data() + 7, 2}).ok());
    EXPECT_EQ(journal.unsynced_bytes(), last + middle);
    EXPECT_EQ(journal.Crash(one.lost), 9 - one.left) << one.lost;
    EXPECT_EQ(VerifyChain(journal)->sequence, one.left) << one.lost;
    EXPECT_EQ(journal.unsynced_bytes(), 0u);
    // It goes on where it ends.
    EXPECT_TRUE(journal
                    .Append(one.left + 1, {records.data() + one.left,
                                           records.size() - one.left})
                    .ok());
    EXPECT_EQ(VerifyChain(journal)->sequence, 9u);
  }
}

TEST(MemoryJournal, SaysThatItIsFullAndKeepsNoHalf) {
  MemoryJournal journal;
  const auto records = Chain(Head(), 9);
  ASSERT_TRUE(journal.Append(1, {records.data(), 4}).ok());
  journal.set_capacity(journal.bytes() + 200);
  EXPECT_EQ(journal.Append(5, {records.data() + 4, 5}).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(journal.records().size(), 4u);
  ASSERT_TRUE(journal.Append(5, {records.data() + 4, 1}).ok());
  journal.set_capacity(SIZE_MAX);
  ASSERT_TRUE(journal.Append(6, {records.data() + 5, 4}).ok());
}

TEST(MemoryJournal, SaysThatItIsReadOnly) {
  MemoryJournal journal;
  const auto records = Chain(Head(), 2);
  ASSERT_TRUE(journal.Append(1, {records.data(), 1}).ok());
  journal.set_read_only(true);
  EXPECT_EQ(journal.Append(2, {records.data() + 1, 1}).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(journal.Read(1, 10)->size(), 1u);
  journal.set_read_only(false);
  EXPECT_TRUE(journal.Append(2, {records.data() + 1, 1}).ok());
}

TEST(MemoryJournal, NamesTheRecordBeforeATear) {
  MemoryJournal journal;
  ASSERT_TRUE(journal.Append(1, Chain(Head(), 5)).ok());
  journal.Tear(3);
  EXPECT_EQ(journal.Read(1, 4)->size(), 4u);
  EXPECT_EQ(VerifyChain(journal).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(VerifyChain(journal).status().message(),
              HasSubstr("after record 4"));
}

TEST(CommandsDigest, IgnoresWordsAndSeesDeeds) {
  const engine::Order order{engine::OrderId("r/1/0"), HostId("h"),
                            absl::Seconds(30), engine::IsolateHost{"why"}};
  const std::string nothing = CommandsDigest({});
  EXPECT_TRUE(IsDigest(nothing));
  EXPECT_EQ(CommandsDigest({engine::Announce{"run", "", "words"}}), nothing);
  const std::string one = CommandsDigest({order});
  EXPECT_NE(one, nothing);
  EXPECT_EQ(CommandsDigest({engine::Announce{"run", "", "words"}, order}), one);
  engine::Order other = order;
  other.host = HostId("i");
  EXPECT_NE(CommandsDigest({other}), one);
  other = order;
  other.what = engine::IsolateHost{"why", "1a2b3c4d/7"};
  EXPECT_NE(CommandsDigest({other}), one);
  other = order;
  other.what = engine::Withdraw{{}, "why"};
  EXPECT_NE(CommandsDigest({other}), one);
}

TEST(CommandsDigest, KeepsNeighbouringValuesApart) {
  const auto digest = [](std::vector<GrantId> grants, std::string reason) {
    return CommandsDigest({engine::Order{
        engine::OrderId("r/1/0"), HostId("h"), absl::Seconds(30),
        engine::Withdraw{std::move(grants), std::move(reason)}}});
  };
  EXPECT_NE(digest({GrantId("a"), GrantId("b")}, "c"),
            digest({GrantId("a")}, "b\n1:c"));
}

TEST(CommandsDigest, SeesWhichPeersAreClosedAndWritesTheOthersAsBefore) {
  const auto digest = [](std::vector<Prefix> peers) {
    return CommandsDigest({engine::Order{
        engine::OrderId("r/1/0"), HostId("h"), absl::Seconds(30),
        engine::Withdraw{{GrantId("a")}, "why", std::move(peers)}}});
  };
  // As an engine that knew no peers wrote it: its journals replay.
  EXPECT_EQ(digest({}),
            Sha256("sluice commands 1\n5:r/1/0\n1:h\n30000000000\n"
                   "8:withdraw\n1\n1:a\n3:why\n"));
  const Prefix one = *Prefix::Parse("10.0.0.1");
  const Prefix two = *Prefix::Parse("10.0.0.2");
  EXPECT_NE(digest({one}), digest({}));
  EXPECT_NE(digest({one}), digest({two}));
  EXPECT_NE(digest({one}), digest({one, two}));
}

class Sqlite : public ::testing::Test {
 protected:
  Sqlite() {
    std::string name =
        (std::filesystem::temp_directory_path() / "sluice-journal-XXXXXX")
            .string();
    directory_ = mkdtemp(name.data());
    path_ = directory_ + "/journal.db";
  }
  ~Sqlite() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<SqliteJournal> OpenIt() {
    auto journal = SqliteJournal::Open(path_);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? *std::move(journal) : nullptr;
  }
  // Runs SQL behind the journal's back.
  void Meddle(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr),
              SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  std::string directory_;
  std::string path_;
};

TEST_F(Sqlite, GivesBackWhatWasAppended) {
  const auto records = Chain(Head(), 10);
  {
    auto journal = OpenIt();
    ASSERT_TRUE(journal->Append(1, {records.data(), 7}).ok());
    ASSERT_TRUE(journal->Append(8, {records.data() + 7, 3}).ok());
    EXPECT_EQ(*journal->Read(1, 100), records);
  }
  auto journal = OpenIt();
  EXPECT_EQ(journal->last_sequence(), 10u);
  EXPECT_EQ(*journal->Read(1, 100), records);
  EXPECT_EQ(journal->Read(9, 100)->size(), 2u);
  EXPECT_EQ(journal->Read(2, 3)->size(), 3u);
  EXPECT_TRUE(journal->Read(11, 3)->empty());
  EXPECT_EQ(VerifyChain(*journal)->sequence, 10u);
}

TEST_F(Sqlite, IsReadableByItsOwnerAlone) {
  OpenIt();
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Sqlite, RefusesToAppendAnywhereButAtItsEnd) {
  auto journal = OpenIt();
  const auto records = Chain(Head(), 3);
  ASSERT_TRUE(journal->Append(1, records).ok());
  EXPECT_EQ(journal->Append(3, {records.data() + 2, 1}).code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(journal->Append(5, {records.data() + 2, 1}).code(),
            absl::StatusCode::kAborted);
}

TEST_F(Sqlite, BelongsToOneOrchestratorAtATime) {
  auto journal = OpenIt();
  const auto second = SqliteJournal::Open(path_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(),
              HasSubstr("another orchestrator is using it"));
  journal.reset();
  EXPECT_TRUE(SqliteJournal::Open(path_).ok());
}

TEST_F(Sqlite, NamesTheRecordChangedOnDisk) {
  ASSERT_TRUE(OpenIt()->Append(1, Chain(Head(), 9)).ok());
  Meddle("UPDATE record SET payload=x'00' WHERE sequence=6");
  auto journal = OpenIt();
  EXPECT_THAT(VerifyChain(*journal).status().message(), HasSubstr("record 6 "));
}

TEST_F(Sqlite, StopsWhenItsEndIsGone) {
  ASSERT_TRUE(OpenIt()->Append(1, Chain(Head(), 9)).ok());
  Meddle("DELETE FROM record WHERE sequence>7");
  const auto journal = SqliteJournal::Open(path_);
  EXPECT_EQ(journal.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(journal.status().message(), HasSubstr("2 are missing"));
  // What is lost for good can be given up, by hand.
  std::filesystem::remove(path_ + ".head");
  EXPECT_TRUE(SqliteJournal::Open(path_).ok());
}

TEST_F(Sqlite, StopsWhenItWasReplacedByAnother) {
  ASSERT_TRUE(OpenIt()->Append(1, Chain(Head(), 9)).ok());
  Meddle("UPDATE record SET hash=previous WHERE sequence=9");
  const auto journal = SqliteJournal::Open(path_);
  EXPECT_EQ(journal.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(journal.status().message(), HasSubstr("record 9 is not the one"));
}

TEST_F(Sqlite, StopsWhenItsFileIsCutShort) {
  ASSERT_TRUE(OpenIt()->Append(1, Chain(Head(), 2000)).ok());
  const auto size = std::filesystem::file_size(path_);
  ASSERT_GT(size, 20'000u);
  std::filesystem::resize_file(path_, size / 2);
  auto journal = SqliteJournal::Open(path_);
  absl::Status status = journal.status();
  if (journal.ok()) status = VerifyChain(**journal).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("journal"));
}

TEST_F(Sqlite, TellsAnotherProgramsDatabase) {
  Meddle("CREATE TABLE t(x)");
  EXPECT_THAT(SqliteJournal::Open(path_).status().message(),
              HasSubstr("another program"));
}

TEST_F(Sqlite, TellsAFileThatIsNoDatabase) {
  std::ofstream(path_) << std::string(5000, 'x');
  EXPECT_EQ(SqliteJournal::Open(path_).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(Sqlite, TellsAJournalOfANewerFormat) {
  OpenIt();
  Meddle("PRAGMA user_version=2");
  EXPECT_THAT(SqliteJournal::Open(path_).status().message(),
              HasSubstr("format 2"));
}

TEST_F(Sqlite, TellsADirectoryThatIsNotThere) {
  const auto journal = SqliteJournal::Open(directory_ + "/none/journal.db");
  EXPECT_EQ(journal.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(journal.status().message(), HasSubstr("make its directory"));
}

TEST_F(Sqlite, SaysThatTheDiskIsFullAndGoesOnWhenItIsNot) {
  auto journal = OpenIt();
  const auto records = Chain(Head(), 300);
  ASSERT_TRUE(journal->Append(1, {records.data(), 100}).ok());
  // A file size limit stands in for a full disk.
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight = {1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const absl::Status full = journal->Append(101, {records.data() + 100, 200});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(full.ok());
  EXPECT_THAT(full.message(), HasSubstr("journal.db"));
  EXPECT_EQ(journal->last_sequence(), 100u);
  ASSERT_TRUE(journal->Append(101, {records.data() + 100, 200}).ok());
  EXPECT_EQ(*journal->Read(1, 1000), records);
}

TEST_F(Sqlite, LosesNothingAcknowledgedWhenItsProcessIsKilled) {
  const auto records = Chain(Head(), 50);
  const pid_t child = fork();
  if (child == 0) {
    auto journal = SqliteJournal::Open(path_);
    if (!journal.ok()) _exit(1);
    for (size_t i = 0; i < records.size(); ++i) {
      if (!(*journal)->Append(i + 1, {&records[i], 1}).ok()) _exit(1);
    }
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  auto journal = OpenIt();
  EXPECT_EQ(*journal->Read(1, 1000), records);
}

TEST_F(Sqlite, TellsACopyMadeWithoutItsWal) {
  auto journal = OpenIt();
  ASSERT_TRUE(journal->Append(1, Chain(Head(), 9)).ok());
  const std::string copy = directory_ + "/copy.db";
  std::filesystem::copy_file(path_, copy);
  std::filesystem::copy_file(path_ + ".head", copy + ".head");
  const auto opened = SqliteJournal::Open(copy);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(opened.status().message(), HasSubstr("copy.db-wal"));
}

}  // namespace
}  // namespace sluice::journal
