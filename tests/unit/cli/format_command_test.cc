// `sluice fmt`: what it writes, and above all what it does not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "orchestrator/cli/files.h"
#include "orchestrator/cli/program.h"
#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/golden.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;

constexpr char kLoose[] =
    "estate: small\nsluice: 1   # kept\n"
    "management: {orchestrators: ['10.0.0.1:7443']}\n";
constexpr char kTidy[] =
    "sluice: 1  # kept\nestate: small\nmanagement:\n"
    "  orchestrators: [\"10.0.0.1:7443\"]\n";

class FormatCommand : public ::testing::Test {
 protected:
  int Run(const std::vector<std::string>& arguments) {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const int code =
        RunSluice(arguments, {.in = &in, .out = &out, .err = &err});
    out_ = out.str();
    err_ = Flat(err.str());
    return code;
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = dir_ / name;
    std::ofstream(path) << text;
    return path;
  }
  static std::string Read(const std::string& path) {
    return ReadWholeFile(path, 1 << 20).value_or("?");
  }

  TempDir dir_;
  std::string out_;
  std::string err_;
};

TEST_F(FormatCommand, WritesTheLayoutAndNamesWhatItChanged) {
  const std::string path = Write("a.yaml", kLoose);
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(Run({"fmt", path}), kDone) << err_;
  EXPECT_EQ(Read(path), kTidy);
  EXPECT_EQ(out_, path + "\n");
  struct stat facts {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0640u);
  // Nothing to do, nothing to say; nothing left beside it.
  EXPECT_EQ(Run({"fmt", path}), kDone);
  EXPECT_EQ(out_, "");
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(dir_.path())) {
    ++count;
  }
  EXPECT_EQ(count, 1u);
}

TEST_F(FormatCommand, CheckChangesNothing) {
  const std::string loose = Write("loose.yaml", kLoose);
  const std::string tidy = Write("tidy.yaml", kTidy);
  EXPECT_EQ(Run({"fmt", "--check", tidy}), kDone);
  EXPECT_EQ(Run({"fmt", "--check", tidy, loose}), kMistakes);
  EXPECT_EQ(out_, loose + "\n");
  EXPECT_EQ(Read(loose), kLoose);
}

TEST_F(FormatCommand, StdoutChangesNothing) {
  const std::string path = Write("a.yaml", kLoose);
  EXPECT_EQ(Run({"fmt", "--stdout", path}), kDone);
  EXPECT_EQ(out_, kTidy);
  EXPECT_EQ(Read(path), kLoose);
  EXPECT_EQ(Run({"fmt", "--stdout", "--check", path}), kUsage);
}

TEST_F(FormatCommand, LeavesAFileWithMistakesAloneAndDoesTheOthers) {
  const std::string bad = Write("bad.yaml", std::string(kLoose) + "hots: {}\n");
  const std::string good = Write("good.yaml", kLoose);
  EXPECT_EQ(Run({"fmt", bad, good}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("did you mean 'hosts'?"));
  EXPECT_THAT(err_, HasSubstr("The file was left alone."));
  EXPECT_EQ(Read(bad), std::string(kLoose) + "hots: {}\n");
  EXPECT_EQ(Read(good), kTidy);
  EXPECT_EQ(Run({"fmt", dir_ / "none.yaml"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("there is no file"));
}

TEST_F(FormatCommand, ReadsAPartWithoutTheWhole) {
  const std::string path =
      Write("part.yaml", "systems:\n    s: {hosts: [elsewhere]}\n");
  EXPECT_EQ(Run({"fmt", path}), kDone) << err_;
  EXPECT_EQ(Read(path), "systems:\n  s:\n    hosts: [elsewhere]\n");
}

TEST_F(FormatCommand, WritesThroughASymbolicLink) {
  const std::string path = Write("a.yaml", kLoose);
  const std::string link = dir_ / "link.yaml";
  std::filesystem::create_symlink(path, link);
  EXPECT_EQ(Run({"fmt", link}), kDone) << err_;
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(Read(path), kTidy);
}

TEST_F(FormatCommand, ShippedManifestsHaveTheLayout) {
  const std::string root = SLUICE_SOURCE_DIR "/manifests";
  std::vector<std::string> arguments = {"fmt", "--check"};
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() == ".yaml") {
      arguments.push_back(entry.path().string());
    }
  }
  EXPECT_EQ(Run(arguments), kDone) << out_ << err_;
}

}  // namespace
}  // namespace sluice::cli
