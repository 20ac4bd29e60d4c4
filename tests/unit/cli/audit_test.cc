// The exported record, verified as a third party would: by the commands in its
// README, run as they stand there.

#include "orchestrator/cli/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/decision_text.h"
#include "common/sshsig.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/journal/codec.h"
#include "orchestrator/journal/commands_digest.h"
#include "orchestrator/journal/sqlite_journal.h"
#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/honest_gate.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;

class Audit : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(dir_ / "manifest.yaml") << absl::StrReplaceAll(
        kHonestManifest,
        {{"duty-commander: {",
          absl::StrCat("duty-commander: {key: \"",
                       commander_.public_key().Line(), "\", ")}});
    std::ofstream(dir_ / "hosts.keys") << honest_.HostKeys();
    const std::string body = honest_.Order().Body();
    const std::string evidence = honest_.evidence.at("app-1");
    engine::OrderReported frozen;
    frozen.order = engine::OrderId("run/1/0");
    frozen.host = HostId("app-1");
    frozen.detail = engine::EvidenceFrozen{
        Sha256(evidence),
        evidence,
        {},
        honest_.keys.at("app-1").Sign(signed_as::kEvidence, evidence)};
    engine::DecisionMade go;
    go.gate = StageId("applications");
    go.by = OperatorId("duty-commander");
    go.go = true;
    go.body_digest = Sha256(body);
    go.text = std::make_shared<const std::string>(body);
    go.signature = commander_.Sign(signed_as::kDecision, body);
    engine::TaskSigned task;
    task.task = TaskId("billing/accept-1");
    task.by = OperatorId("duty-commander");
    // Passed on after a call: the signed text says so for ever.
    const TaskText relayed{.estate = EstateId("city-utility"),
                           .run = RunId("2026-11-21-1"),
                           .task = task.task,
                           .what = "known invoice matches paper",
                           .relayed_for = OperatorId("billing-owner"),
                           .note = "on the telephone, 17:40"};
    task.text = std::make_shared<const std::string>(relayed.Body());
    task.signature = commander_.Sign(signed_as::kTask, *task.text);
    engine::WaiverGiven waiver;
    waiver.step = StepId("billing");
    waiver.by = OperatorId("duty-commander");
    const WaiverText waived{.estate = EstateId("city-utility"),
                            .run = RunId("2026-11-21-1"),
                            .step = waiver.step,
                            .check = CheckId("billing/health-1"),
                            .until = absl::FromUnixMillis(1'795'284'000'000),
                            .reason = "seen by hand"};
    waiver.text = std::make_shared<const std::string>(waived.Body());
    waiver.signature = commander_.Sign(signed_as::kWaiver, *waiver.text);
    engine::PointReported point;
    point.host = HostId("app-1");
    point.task = TaskId("app-1/open-4");
    point.by = OperatorId("duty-commander");
    const PointText said{.estate = EstateId("city-utility"),
                         .point = point.host,
                         .task = point.task,
                         .order = "-:0a/12/3",
                         .verb = "open",
                         .flows = {*Flow::Parse("tcp 10.77.0.21 10.9.0.5 1")},
                         .done = true,
                         .saw = "the lamp is green"};
    point.text = std::make_shared<const std::string>(said.Body());
    point.signature = commander_.Sign(signed_as::kPoint, *point.text);
    engine::IdentityChanged login;
    login.what = engine::IdentityChanged::What::kLoggedIn;
    login.by = OperatorId("duty-commander");
    login.text = "sluice login 1\n";
    login.signature = commander_.Sign(signed_as::kLogin, login.text);
    // The second signer is of a key that this manifest does not name any more.
    engine::TrustChanged rotation{
        OperatorId("duty-commander"), "sluice rotation 1\nserial 2\n", {}};
    for (const SshSigner& signer : {commander_, SshSigner::Make()}) {
      rotation.signatures.push_back(
          signer.Sign(signed_as::kRotation, rotation.text));
    }
    // By a key that only the host's own file names.
    engine::GlassBroken glass{
        HostId("app-1"), "sluice break-glass 1\n", "", false, {}};
    glass.signature =
        SshSigner::Make().Sign(signed_as::kBreakGlass, glass.text);
    auto journal = journal::SqliteJournal::Open(dir_ / "journal.db");
    ASSERT_TRUE(journal.ok()) << journal.status();
    std::string previous = journal::GenesisHash();
    uint64_t sequence = 0;
    for (const engine::Event& event :
         {engine::Event(engine::ReignBegan{1, "one"}), engine::Event(frozen),
          engine::Event(go), engine::Event(task), engine::Event(login),
          engine::Event(rotation), engine::Event(glass),
          engine::Event(
              engine::AccessRefused{"10.77.0.66", 1, 3, 0, 1, "another key"}),
          engine::Event(waiver), engine::Event(point)}) {
      const journal::Encoded encoded = journal::Encode(event);
      journal::Record record{.sequence = ++sequence,
                             .at = absl::FromUnixMicros(1'800'000'000'000'000),
                             .kind = encoded.kind,
                             .version = encoded.version,
                             .payload = encoded.payload,
                             .previous = previous,
                             .commands = journal::CommandsDigest({})};
      record.hash = journal::RecordHash(record);
      previous = record.hash;
      ASSERT_TRUE((*journal)->Append(sequence, {record}).ok());
    }
    // As a running orchestrator has it: nobody else may write, all may look.
    const auto live = Export();
    ASSERT_TRUE(live.ok()) << live.status();
    EXPECT_EQ(live->records, 10u);
    EXPECT_EQ(Verify(), 0);
    std::filesystem::remove_all(dir_ / "audit");
  }

  absl::StatusOr<AuditReport> Export() {
    return ExportAudit({.journal = dir_ / "journal.db",
                        .manifest = dir_ / "manifest.yaml",
                        .out = dir_ / "audit"});
  }

  std::string Written(const std::string& name) {
    const auto text = ReadWholeFile(dir_ / ("audit/" + name), 1 << 20);
    EXPECT_TRUE(text.ok()) << text.status();
    return text.ok() ? *text : "";
  }

  // The block of commands in the README, as it stands.
  int Verify() {
    const auto readme = ReadWholeFile(dir_ / "audit/README.md", 1 << 20);
    EXPECT_TRUE(readme.ok());
    const size_t begin = readme->find("```sh\n") + 6;
    const std::string commands =
        readme->substr(begin, readme->find("```", begin) - begin);
    std::ofstream(dir_ / "commands.sh") << commands;
    return std::system(absl::StrCat("cd '", dir_ / "audit",
                                    "' && sh ../commands.sh >/dev/null 2>&1")
                           .c_str());
  }

  // One byte of a file, another.
  void Damage(const std::string& name, const std::string& from,
              const std::string& to) {
    const std::string path = dir_ / ("audit/" + name);
    const auto text = ReadWholeFile(path, 1 << 20);
    ASSERT_TRUE(text.ok());
    const std::string changed = absl::StrReplaceAll(*text, {{from, to}});
    ASSERT_NE(changed, *text);
    std::ofstream(path, std::ios::trunc) << changed;
  }

  TempDir dir_;
  HonestGate honest_;
  SshSigner commander_ = SshSigner::Make();
};

TEST_F(Audit, IsVerifiedByTheCommandsOfItsReadme) {
  const auto report = Export();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->records, 10u);
  EXPECT_EQ(report->signatures, 8);
  EXPECT_EQ(Verify(), 0);
}

TEST_F(Audit, SaysThatAWordWasRelayed) {
  ASSERT_TRUE(Export().ok());
  const auto text = ReadWholeFile(dir_ / "audit/signed/0000000004.txt", 4096);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, HasSubstr("\nrelayed-for billing-owner\n"));
  const auto list = ReadWholeFile(dir_ / "audit/signed/list", 4096);
  EXPECT_THAT(*list, HasSubstr("0000000004 duty-commander task@sluice"));
  // What the manifest's keys cannot verify is there, and not in the list.
  EXPECT_TRUE(ReadWholeFile(dir_ / "audit/signed/0000000006-2.sig", 9999).ok());
  EXPECT_THAT(*list, ::testing::Not(HasSubstr("0000000006-2")));
}

TEST_F(Audit, HoldsWaiversWithTheirSignatures) {
  ASSERT_TRUE(Export().ok());
  EXPECT_THAT(Written("signed/list"),
              HasSubstr("0000000009 duty-commander waiver@sluice"));
  EXPECT_THAT(Written("signed/0000000009.txt"),
              HasSubstr("\nuntil 2026-11-21T18:00:00.000Z\n"));
}

TEST_F(Audit, ListsWhoWasRefused) {
  ASSERT_TRUE(Export().ok());
  EXPECT_EQ(Written("refused"),
            "8 2027-01-15T08:00:00+00:00 10.77.0.66 3 0 1 another key\n");
}

TEST_F(Audit, OfAJournalWhoseEndIsLostIsNotMade) {
  std::filesystem::copy(dir_ / "journal.db", dir_ / "copy.db");
  // The newest record stands in the log that was not copied, or so it seems.
  std::ofstream(dir_ / "copy.db.head")
      << absl::StrCat("11 ", Sha256("the eleventh"), "\n");
  const auto report = ExportAudit({.journal = dir_ / "copy.db",
                                   .manifest = dir_ / "manifest.yaml",
                                   .out = dir_ / "audit"});
  EXPECT_EQ(report.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(report.status().message(), HasSubstr("record 11"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "audit"));
}

TEST_F(Audit, ShowsAChangedRecord) {
  ASSERT_TRUE(Export().ok());
  Damage("records/0000000003", "round 2", "round 3");
  EXPECT_NE(Verify(), 0);
}

TEST_F(Audit, ShowsAMissingRecord) {
  ASSERT_TRUE(Export().ok());
  std::filesystem::remove(dir_ / "audit/records/0000000002");
  Damage("records.sha256", "records/0000000002", "records/0000000001");
  EXPECT_NE(Verify(), 0);
}

TEST_F(Audit, ShowsATextThatNobodySigned) {
  ASSERT_TRUE(Export().ok());
  Damage("signed/0000000003.txt", "round 2", "round 3");
  EXPECT_NE(Verify(), 0);
}

TEST_F(Audit, ShowsASignatureByAnotherKey) {
  ASSERT_TRUE(Export().ok());
  std::ofstream(dir_ / "audit/signed/0000000003.sig", std::ios::trunc)
      << SshSigner::Make().Sign(signed_as::kDecision, honest_.Order().Body());
  EXPECT_NE(Verify(), 0);
}

TEST_F(Audit, OverwritesNothingAndNeedsAJournal) {
  ASSERT_TRUE(Export().ok());
  EXPECT_FALSE(Export().ok());
  EXPECT_THAT(ExportAudit({.journal = dir_ / "none.db",
                           .manifest = dir_ / "manifest.yaml",
                           .out = dir_ / "other"})
                  .status()
                  .message(),
              HasSubstr("there is no journal"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "other"));
}

}  // namespace
}  // namespace sluice::cli
