// `sluice audit verify`, and the head that a client keeps.

#include "orchestrator/cli/audit_verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/head_seen.h"
#include "orchestrator/cli/program.h"
#include "orchestrator/journal/commands_digest.h"
#include "orchestrator/journal/sqlite_journal.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AuditVerifyTest : public ::testing::Test {
 protected:
  AuditVerifyTest() {
    std::string name =
        (std::filesystem::temp_directory_path() / "sluice-verify-XXXXXX")
            .string();
    directory_ = mkdtemp(name.data());
    journal_ = directory_ + "/journal.db";
    client_ = directory_ + "/client.yaml";
    for (int i = 0; i < 9; ++i) {
      journal::Record record;
      record.sequence = static_cast<uint64_t>(i) + 1;
      record.at = absl::FromUnixSeconds(1'795'000'000 + i);
      record.payload = absl::StrCat("payload ", i);
      record.previous =
          records_.empty() ? journal::GenesisHash() : records_.back().hash;
      record.commands = journal::CommandsDigest({});
      record.hash = journal::RecordHash(record);
      records_.push_back(std::move(record));
    }
    // No client.yaml of whoever runs this.
    setenv("SLUICE_CLIENT", "/nowhere/client.yaml", 1);
  }
  ~AuditVerifyTest() override { std::filesystem::remove_all(directory_); }

  void Write(size_t count) {
    auto journal = journal::SqliteJournal::Open(journal_);
    ASSERT_TRUE(journal.ok()) << journal.status();
    ASSERT_TRUE((*journal)->Append(1, {records_.data(), count}).ok());
  }
  std::string Head(size_t sequence) const {
    return absl::StrCat(sequence, ":", records_[sequence - 1].hash);
  }
  int Verify(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"audit", "verify", journal_};
    words.insert(words.end(), more.begin(), more.end());
    std::ostringstream out;
    std::ostringstream err;
    std::istringstream in;
    Terminal terminal;
    terminal.in = &in;
    terminal.out = &out;
    terminal.err = &err;
    const int code = RunSluice(words, terminal);
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  std::string directory_;
  std::string journal_;
  std::string client_;
  std::string out_;
  std::string err_;
  std::vector<journal::Record> records_;
};

TEST_F(AuditVerifyTest, FindsAWholeJournalWhole) {
  Write(9);
  EXPECT_EQ(Verify({"--seen", Head(4)}), kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("whole: 9 records"));
  EXPECT_THAT(out_, HasSubstr(Head(9)));
}

TEST_F(AuditVerifyTest, NamesTheRecordThatDoesNotFit) {
  records_[5].payload = "another story";
  Write(9);
  EXPECT_EQ(Verify({"--json"}), kMistakes);
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["finding"], "damaged");
  EXPECT_EQ(json["record"], 6);
  EXPECT_EQ(json["records"], 5);
}

TEST_F(AuditVerifyTest, TellsATruncationByAHeadThatWasNoted) {
  Write(6);
  std::filesystem::remove(journal_ + ".head");
  EXPECT_EQ(Verify(), kDone);
  EXPECT_THAT(out_, HasSubstr("Compared with nothing"));
  EXPECT_EQ(Verify({"--seen", Head(8)}), kMistakes);
  EXPECT_THAT(out_, HasSubstr("truncated: "));
  EXPECT_THAT(out_, HasSubstr("2 records"));
}

TEST_F(AuditVerifyTest, RefusesAHeadThatIsNone) {
  Write(9);
  EXPECT_EQ(Verify({"--seen", "9"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("is no head"));
}

TEST_F(AuditVerifyTest, SaysThatThereIsNoSuchJournal) {
  EXPECT_EQ(Verify(), kMistakes);
  EXPECT_THAT(err_, HasSubstr("name the orchestrator's journal.db"));
  EXPECT_FALSE(std::filesystem::exists(journal_)) << "and makes none";
}

TEST_F(AuditVerifyTest, TheClientKeepsTheHeadAndSaysWhenItGoesBack) {
  v1::Status status;
  status.set_estate("small");
  const auto at = [&](size_t sequence) {
    status.set_journal_sequence(sequence);
    status.set_journal_head(records_[sequence - 1].hash);
    return NoteHead(client_, status);
  };
  EXPECT_THAT(at(4), IsEmpty());
  EXPECT_THAT(at(7), IsEmpty());
  EXPECT_THAT(at(7), IsEmpty());
  EXPECT_THAT(at(5), HasSubstr("has seen record 7"));
  EXPECT_EQ(HeadSeen(client_, "small")->sequence, 7u) << "it is not forgotten";
  status.set_journal_sequence(7);
  status.set_journal_head(records_[0].hash);
  EXPECT_THAT(NoteHead(client_, status), HasSubstr("written anew"));
  EXPECT_THAT(at(8), IsEmpty());
  EXPECT_EQ(HeadSeen(client_, "small")->hash, records_[7].hash);
  // Another estate's is no comparison.
  status.set_estate("other");
  EXPECT_THAT(at(2), IsEmpty());
}

TEST_F(AuditVerifyTest, LooksFromAFolderThatCannotBeWritten) {
  v1::Status status;
  status.set_estate("small");
  status.set_journal_sequence(1);
  status.set_journal_head(records_[0].hash);
  EXPECT_THAT(NoteHead("/nowhere/client.yaml", status), IsEmpty());
}

}  // namespace
}  // namespace sluice::cli
