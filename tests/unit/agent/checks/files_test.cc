#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "agents/checks/baseline.h"
#include "agents/checks/check.h"
#include "common/sshsig.h"

namespace sluice::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A host with a few files, whose baseline was taken.
class Files : public ::testing::Test {
 protected:
  Files() {
    std::filesystem::create_directories(root_ / "cron.d/deep");
    std::filesystem::create_directories(root_ / "kept");
    Write("cron.d/backup", "0 3 * * * root backup\n");
    Write("cron.d/deep/other", "x");
    Write("su", "a program");
    chmod((root_ / "su").c_str(), 04755);
    context_.baselines["cron"] = {{(root_ / "cron.d").string()}};
    context_.baselines["setuid"] = {{root_.string()}, true};
    context_.baseline_folder = (root_ / "kept").string();
    context_.evidence_key = signer_.public_key().Line();
    Take("cron");
    Take("setuid");
  }
  ~Files() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
  }
  void Take(const std::string& name) {
    const Stop stop;
    const auto text = TakeBaseline(name, context_.baselines.at(name),
                                   absl::Now() + absl::Minutes(1), stop);
    ASSERT_TRUE(text.ok()) << text.status();
    Write("kept/" + name, *text);
    Write("kept/" + name + ".sig", signer_.Sign(kSignedBaseline, *text));
  }
  CheckResult Check(const std::string& name,
                    absl::Duration timeout = absl::Seconds(20)) {
    const Stop stop;
    return RunCheck(
        {.kind = "files", .args = {{"baseline", name}}, .timeout = timeout},
        context_, stop);
  }

  const std::filesystem::path root_ = std::filesystem::temp_directory_path() /
                                      absl::StrCat("sluice-files-", getpid());
  const SshSigner signer_ = SshSigner::Make();
  CheckContext context_;
};

TEST_F(Files, AsInTheBaselinePass) {
  EXPECT_EQ(Check("cron").verdict, Verdict::kPass);
  EXPECT_THAT(Check("cron").reason, HasSubstr("4 entries as in baseline"));
  EXPECT_THAT(Check("setuid").reason, HasSubstr("1 entries"));
}

TEST_F(Files, ThatChangedAreNamed) {
  Write("cron.d/backup", "* * * * * root curl evil\n");
  Write("cron.d/new", "y");
  std::filesystem::remove(root_ / "cron.d/deep/other");
  const CheckResult result = Check("cron");
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_THAT(result.reason, AllOf(HasSubstr("cron.d/new"),
                                   HasSubstr("changed"), HasSubstr("gone")));
  EXPECT_THAT(result.reason, HasSubstr("cron.d/backup"));
}

TEST_F(Files, WhoseRightsOrKindChangedAreNamed) {
  chmod((root_ / "cron.d/backup").c_str(), 0666);
  EXPECT_THAT(Check("cron").reason, HasSubstr("changed"));
  chmod((root_ / "cron.d/backup").c_str(), 0644);
  Take("cron");
  std::filesystem::remove(root_ / "cron.d/backup");
  std::filesystem::create_symlink("/dev/null", root_ / "cron.d/backup");
  EXPECT_THAT(Check("cron").reason, HasSubstr("changed"));
  std::filesystem::remove(root_ / "cron.d/backup");
  ASSERT_EQ(mkfifo((root_ / "cron.d/backup").c_str(), 0644), 0);
  EXPECT_THAT(Check("cron").reason, HasSubstr("changed"));  // and never hangs
}

TEST_F(Files, WithTheSetuidBitAreFoundAmongTheOthers) {
  Write("ordinary", "nothing to see");
  EXPECT_EQ(Check("setuid").verdict, Verdict::kPass);
  Write("cron.d/deep/sh", "a shell");
  chmod((root_ / "cron.d/deep/sh").c_str(), 04755);
  EXPECT_THAT(Check("setuid").reason,
              AllOf(HasSubstr("new "), HasSubstr("deep/sh"),
                    Not(HasSubstr("ordinary"))));
}

TEST_F(Files, OfABaselineThatWasEditedFail) {
  std::ifstream file(root_ / "kept/cron");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  Write("kept/cron", absl::StrReplaceAll(text, {{"0644", "0600"}}));
  EXPECT_EQ(Check("cron").verdict, Verdict::kFail);
  EXPECT_THAT(Check("cron").reason, HasSubstr("not as this host signed it"));
  // Another baseline's text and signature do not stand for this one.
  std::filesystem::copy(root_ / "kept/setuid", root_ / "kept/cron",
                        std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy(root_ / "kept/setuid.sig", root_ / "kept/cron.sig",
                        std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(Check("cron").verdict, Verdict::kInconclusive);
}

TEST_F(Files, WithoutABaselineOrARuleAreInconclusive) {
  EXPECT_THAT(Check("other").reason, HasSubstr("not among 'baselines'"));
  EXPECT_THAT(Check("../cron").reason, HasSubstr("not among 'baselines'"));
  std::filesystem::remove(root_ / "kept/cron");
  EXPECT_EQ(Check("cron").verdict, Verdict::kInconclusive);
  EXPECT_THAT(Check("cron").reason, HasSubstr("sluice-agent baseline cron"));
  context_.baselines["setuid"].paths.push_back("/nowhere");
  EXPECT_THAT(Check("setuid").reason, HasSubstr("take it again"));
  EXPECT_EQ(Check("setuid").verdict, Verdict::kInconclusive);
}

TEST_F(Files, ThatCannotBeReadInTimeAreInconclusive) {
  EXPECT_EQ(Check("cron", absl::ZeroDuration()).verdict,
            Verdict::kInconclusive);
}

// Whoever may write there decides how long the names are.
TEST_F(Files, WhoseNamesTakeTooMuchMemoryAreInconclusive) {
  const std::string part(200, '\x01');
  std::filesystem::path deep = root_ / "cron.d";
  for (int i = 0; i < 17; ++i) deep /= part;
  std::filesystem::create_directories(deep);
  for (int i = 0; i < 1300; ++i) {
    std::ofstream(deep / absl::StrCat(part, i)) << "";
  }
  const CheckResult result = Check("cron");
  EXPECT_EQ(result.verdict, Verdict::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("take more than 16 MiB"));
}

TEST_F(Files, AreFoundByPatterns) {
  context_.baselines["keys"] = {{(root_ / "*/backup").string()}};
  Take("keys");
  EXPECT_EQ(Check("keys").verdict, Verdict::kPass);
  std::filesystem::create_directories(root_ / "mallory");
  Write("mallory/backup", "ssh-ed25519 AAAA");
  EXPECT_THAT(Check("keys").reason, HasSubstr("mallory/backup"));
}

}  // namespace
}  // namespace sluice::agent
