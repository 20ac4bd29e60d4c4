#include "orchestrator/journal/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "orchestrator/journal/commands_digest.h"
#include "orchestrator/journal/memory_journal.h"
#include "orchestrator/journal/sqlite_journal.h"

namespace sluice::journal {
namespace {

using ::testing::HasSubstr;

std::vector<Record> Chain(int count, const std::string& story = "") {
  std::vector<Record> records;
  Head head;
  for (int i = 0; i < count; ++i) {
    Record record;
    record.sequence = head.sequence + 1;
    record.at = absl::FromUnixMicros(1'000'000 + i);
    record.payload = absl::StrCat(story, i);
    record.previous = head.hash;
    record.commands = CommandsDigest({});
    record.hash = RecordHash(record);
    head = Head{record.sequence, record.hash, record.at};
    records.push_back(std::move(record));
  }
  return records;
}

SeenHead Seen(const std::vector<Record>& records, uint64_t sequence) {
  return {sequence, records[sequence - 1].hash, "an operator"};
}

TEST(Audit, FindsAWholeChainWhole) {
  MemoryJournal journal;
  const auto records = Chain(9);
  ASSERT_TRUE(journal.Append(1, records).ok());
  const Audit audit = AuditChain(
      journal, {Seen(records, 1), Seen(records, 9), {0, GenesisHash(), "x"}});
  EXPECT_EQ(audit.finding, Audit::Finding::kWhole) << audit.text;
  EXPECT_EQ(audit.head.sequence, 9u);
  EXPECT_EQ(audit.head.hash, records.back().hash);
}

TEST(Audit, NamesTheFirstRecordThatDoesNotFit) {
  for (uint64_t damaged = 1; damaged <= 9; ++damaged) {
    MemoryJournal journal;
    const auto records = Chain(9);
    ASSERT_TRUE(journal.Append(1, records).ok());
    journal.records()[damaged - 1].payload += "x";
    const Audit audit = AuditChain(journal, {Seen(records, 9)});
    EXPECT_EQ(audit.finding, Audit::Finding::kDamaged);
    EXPECT_EQ(audit.record, damaged);
    EXPECT_EQ(audit.head.sequence, damaged - 1);
  }
}

TEST(Audit, TellsATruncationByAHeadKeptElsewhere) {
  const auto records = Chain(9);
  MemoryJournal journal;
  ASSERT_TRUE(journal.Append(1, {records.data(), 6}).ok());
  EXPECT_EQ(AuditChain(journal, {}).finding, Audit::Finding::kWhole)
      << "the chain alone cannot know";
  const Audit audit = AuditChain(journal, {Seen(records, 3), Seen(records, 8)});
  EXPECT_EQ(audit.finding, Audit::Finding::kTruncated);
  EXPECT_EQ(audit.record, 7u);
  EXPECT_THAT(audit.text, HasSubstr("2 records missing"));
}

TEST(Audit, TellsAChainThatWasWrittenAnew) {
  MemoryJournal journal;
  ASSERT_TRUE(journal.Append(1, Chain(9, "another story ")).ok());
  const Audit audit = AuditChain(journal, {Seen(Chain(9), 4)});
  EXPECT_EQ(audit.finding, Audit::Finding::kRewritten);
  EXPECT_EQ(audit.record, 4u);
}

TEST(Audit, TellsATornRecord) {
  MemoryJournal journal;
  ASSERT_TRUE(journal.Append(1, Chain(5)).ok());
  journal.Tear(0);
  EXPECT_EQ(AuditChain(journal, {}).finding, Audit::Finding::kDamaged);
}

class ReadOnly : public ::testing::Test {
 protected:
  ReadOnly() {
    std::string name =
        (std::filesystem::temp_directory_path() / "sluice-audit-XXXXXX")
            .string();
    directory_ = mkdtemp(name.data());
    path_ = directory_ + "/journal.db";
  }
  ~ReadOnly() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
  std::string path_;
};

TEST_F(ReadOnly, ReadsBesideTheOrchestratorThatWrites) {
  const auto records = Chain(9);
  auto writing = SqliteJournal::Open(path_);
  ASSERT_TRUE(writing.ok());
  ASSERT_TRUE((*writing)->Append(1, {records.data(), 5}).ok());
  auto reading = SqliteJournal::OpenToRead(path_);
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_EQ((*reading)->Read(1, 100)->size(), 5u);
  EXPECT_FALSE((*reading)->Append(6, {records.data() + 5, 1}).ok());
  ASSERT_TRUE((*writing)->Append(6, {records.data() + 5, 4}).ok());
  EXPECT_EQ(AuditChain(**reading, {}).head.sequence, 9u);
}

TEST_F(ReadOnly, ReadsACopyAndLeavesItAsItIs) {
  const auto records = Chain(9);
  {
    auto writing = SqliteJournal::Open(path_);
    ASSERT_TRUE(writing.ok());
    ASSERT_TRUE((*writing)->Append(1, records).ok());
  }
  const std::string copy = directory_ + "/a copy?#%.db";
  std::filesystem::copy_file(path_, copy);
  chmod(copy.c_str(), 0400);
  const auto before = std::filesystem::last_write_time(copy);
  auto reading = SqliteJournal::OpenToRead(copy);
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_EQ(AuditChain(**reading, {}).head.sequence, 9u);
  reading->reset();
  EXPECT_EQ(std::filesystem::last_write_time(copy), before);
  EXPECT_FALSE(std::filesystem::exists(copy + "-wal"));
  EXPECT_FALSE(std::filesystem::exists(copy + ".head"));
  EXPECT_FALSE(SqliteJournal::RememberedHead(copy).has_value());
}

TEST_F(ReadOnly, TellsACopyWithoutItsWalByTheHeadBesideIt) {
  const auto records = Chain(9);
  auto writing = SqliteJournal::Open(path_);
  ASSERT_TRUE(writing.ok());
  ASSERT_TRUE((*writing)->Append(1, {records.data(), 4}).ok());
  const std::string copy = directory_ + "/copy.db";
  // The first records reach the file itself when SQLite tidies up.
  writing->reset();
  writing = SqliteJournal::Open(path_);
  ASSERT_TRUE((*writing)->Append(5, {records.data() + 4, 5}).ok());
  std::filesystem::copy_file(path_, copy);
  std::filesystem::copy_file(path_ + ".head", copy + ".head");
  auto reading = SqliteJournal::OpenToRead(copy);
  ASSERT_TRUE(reading.ok()) << reading.status();
  const auto head = SqliteJournal::RememberedHead(copy);
  ASSERT_TRUE(head.has_value());
  const Audit audit =
      AuditChain(**reading, {{head->sequence, head->hash, "copy.db.head"}});
  EXPECT_EQ(audit.finding, Audit::Finding::kTruncated);
  EXPECT_EQ(audit.record, 5u);
}

TEST_F(ReadOnly, SaysWhatIsNotThereOrNotAJournal) {
  EXPECT_EQ(SqliteJournal::OpenToRead(path_).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(SqliteJournal::OpenToRead(directory_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::journal
