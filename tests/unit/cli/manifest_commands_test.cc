// Commands that read a manifest, against the city utility's.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/program.h"
#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/golden.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const char kManifest[] = SLUICE_SOURCE_DIR "/manifests/city-utility.yaml";

class ManifestCommand : public ::testing::Test {
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

  // The city utility's with a typing mistake in a need.
  std::string Broken() {
    const auto text = ReadWholeFile(kManifest, 1 << 20);
    const std::string path = dir_ / "broken.yaml";
    std::ofstream(path) << absl::StrReplaceAll(
        *text, {{"billing-db:postgres", "billing-db:postgress"}});
    return path;
  }

  TempDir dir_;
  std::string out_;
  std::string err_;
};

TEST_F(ManifestCommand, ValidateCountsWhatItRead) {
  EXPECT_EQ(Run({"validate", kManifest}), kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("city-utility.yaml: 13 systems on 12 hosts, 4 "
                              "gates: no mistakes"));
}

TEST_F(ManifestCommand, ValidatePointsAtTheMistake) {
  EXPECT_EQ(Run({"validate", Broken()}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("broken.yaml:"));
  EXPECT_THAT(err_, HasSubstr("did you mean 'postgres'?"));
  EXPECT_EQ(Run({"validate", Broken(), "--json"}), kMistakes);
  EXPECT_TRUE(nlohmann::json::parse(out_).is_array());
}

TEST_F(ManifestCommand, StrictMakesAWarningAMistake) {
  EXPECT_EQ(Run({"validate", kManifest, "--strict"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("with --strict a warning is a mistake"));
}

TEST_F(ManifestCommand, PlanIsReadableAtEightyColumns) {
  EXPECT_EQ(Run({"plan", kManifest}), kDone) << err_;
  ExpectFits(out_);
  EXPECT_EQ(Run({"plan", kManifest, "--json"}), kDone);
  EXPECT_TRUE(nlohmann::json::parse(out_).is_object());
  EXPECT_EQ(Run({"plan", kManifest, "--format", "svg"}), kDone);
  EXPECT_THAT(out_, HasSubstr("<svg"));
  EXPECT_EQ(Run({"plan", kManifest, "--format", "png"}), kUsage);
  EXPECT_EQ(Run({"plan", dir_ / "none.yaml"}), kMistakes);
}

TEST_F(ManifestCommand, ExplainKnowsTheSystemsByName) {
  EXPECT_EQ(Run({"explain", kManifest, "billing-engine"}), kDone) << err_;
  ExpectFits(out_);
  EXPECT_EQ(Run({"explain", kManifest, "biling-engine"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("billing-engine"));
}

TEST_F(ManifestCommand, DiffComparesTwoManifests) {
  EXPECT_EQ(Run({"diff", kManifest, kManifest}), kDone) << err_;
  EXPECT_EQ(Run({"diff", kManifest, Broken()}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("nothing was compared"));
}

TEST_F(ManifestCommand, InitMakesNothingFromABrokenManifest) {
  EXPECT_EQ(Run({"init", Broken(), "--out", dir_ / "estate"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("nothing was made"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "estate"));
}

TEST_F(ManifestCommand, InitSaysWhatItMadeAndNeverTwice) {
  EXPECT_EQ(Run({"init", kManifest, "--out", dir_ / "e"}), kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("12 hosts: app-1"));
  EXPECT_EQ(Run({"init", kManifest, "--out", dir_ / "e"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("already"));
  std::filesystem::remove_all(dir_ / "e/operators/duty-commander");
  EXPECT_EQ(Run({"init", kManifest, "--out", dir_ / "e", "--add"}), kDone);
  EXPECT_THAT(out_, HasSubstr("1 operator: duty-commander"));
  EXPECT_THAT(out_, HasSubstr("so they cannot log in"));
}

TEST_F(ManifestCommand, HelpIsGroupedByPurpose) {
  EXPECT_EQ(Run({}), kDone);
  ExpectGolden("help.txt", out_);
  ExpectFits(out_);
  EXPECT_EQ(Run({"help", "isolate"}), kDone);
  ExpectFits(out_);
  EXPECT_THAT(out_, HasSubstr("--host HOST"));
  EXPECT_EQ(Run({"--version"}), kDone);
  EXPECT_THAT(out_, StartsWith("sluice 0."));
}

TEST_F(ManifestCommand, AWrongCommandLineSaysWhatToDo) {
  EXPECT_EQ(Run({"stats"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("did you mean 'status'?"));
  EXPECT_EQ(Run({"go"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("sluice go --help"));
  EXPECT_EQ(Run({"status", "--frobnicate"}), kUsage);
}

TEST_F(ManifestCommand, AMissingClientFileIsNamed) {
  EXPECT_EQ(Run({"status", "--client", dir_ / "none.yaml"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("none.yaml"));
  std::ofstream(dir_ / "client.yaml") << "orchestratrs: []\n";
  EXPECT_EQ(Run({"status", "--client", dir_ / "client.yaml"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("is not a field of a client.yaml"));
}

}  // namespace
}  // namespace sluice::cli
