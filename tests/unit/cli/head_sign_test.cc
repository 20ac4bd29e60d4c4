// The head of the record, signed by an operator, to be kept elsewhere.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/decision_text.h"
#include "common/digest.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/init.h"
#include "orchestrator/cli/program.h"
#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/golden.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;

class SignedHead : public ::testing::Test {
 protected:
  void SetUp() override {
    unsetenv("SLUICE_CLIENT");
    ASSERT_TRUE(Init(SmallPlan(), {}, {.out = dir_.path()}).ok());
    const std::string folder = dir_ / "operators/duty-commander/";
    client_ = absl::StrCat(folder, "client.yaml");
    std::ofstream(client_) << "orchestrators: "
                              "[\"unix:../../orchestrator/operator.sock\"]\n"
                              "operator: duty-commander\n"
                              "authority: ca.crt\n"
                              "signing-key: id\n";
    key_ = absl::StrCat(folder, "id");
    ASSERT_EQ(
        Shell(absl::StrCat("ssh-keygen -q -t ed25519 -N '' -f '", key_, "'")),
        0);
    fake_.status.set_estate("city-utility");
    fake_.status.set_journal_sequence(120);
    fake_.status.set_journal_head(Sha256("record 120"));
    fake_.Serve(dir_.path());
  }

  static int Shell(const std::string& command) {
    return std::system(command.c_str());
  }
  int Run(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = {"audit", "sign", "--client", client_};
    arguments.insert(arguments.end(), words.begin(), words.end());
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const Terminal terminal{.in = &in, .out = &out, .err = &err};
    const int code = RunSluice(arguments, terminal);
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  int VerifiedBySshKeygen(const std::string& file) {
    const auto key = ReadWholeFile(key_ + ".pub", 4096);
    std::ofstream(dir_ / "allowed")
        << "duty-commander namespaces=\"" << signed_as::kHead << "\" " << *key;
    return Shell(absl::StrCat("ssh-keygen -Y verify -f '", dir_ / "allowed",
                              "' -I duty-commander -n head@sluice -s '", file,
                              ".sig' < '", file, "' >/dev/null 2>&1"));
  }

  TempDir dir_;
  std::string client_;
  std::string key_;
  FakeOperator fake_;
  std::string out_;
  std::string err_;
};

TEST_F(SignedHead, IsATextThatSshKeygenVerifies) {
  const std::string file = dir_ / "head";
  ASSERT_EQ(Run({file}), kDone) << err_;
  ExpectFits(out_.substr(0, out_.find("  ssh-keygen")));
  const auto text = ReadWholeFile(file, 4096);
  EXPECT_EQ(*text, absl::StrCat("sluice head 1\nestate city-utility\n"
                                "record 120\nhead ",
                                Sha256("record 120"), "\n"));
  EXPECT_EQ(VerifiedBySshKeygen(file), 0);
  std::ofstream(file) << HeadText(EstateId("city-utility"), 119, "sha256:00");
  EXPECT_NE(VerifiedBySshKeygen(file), 0);
  // What was kept is not written over.
  EXPECT_NE(Run({file}), kDone);
}

TEST_F(SignedHead, OfAHistoryThatWasWrittenAnewSaysSo) {
  ASSERT_EQ(Run({dir_ / "head"}), kDone) << err_;
  fake_.status.set_journal_head(Sha256("another record 120"));
  ASSERT_EQ(Run({dir_ / "later"}), kDone) << err_;
  EXPECT_THAT(Flat(out_), HasSubstr("the history was written anew"));
}

}  // namespace
}  // namespace sluice::cli
