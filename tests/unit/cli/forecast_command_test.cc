// `sluice forecast`: what it is asked, and what it answers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "nlohmann/json.hpp"
#include "orchestrator/cli/program.h"
#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/golden.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;

const char kManifest[] = SLUICE_SOURCE_DIR "/manifests/city-utility.yaml";

class ForecastCommand : public ::testing::Test {
 protected:
  int Run(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"forecast", kManifest};
    arguments.insert(arguments.end(), more.begin(), more.end());
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

  TempDir dir_;
  std::string out_;
  std::string err_;
};

TEST_F(ForecastCommand, SaysWhenEverythingIsBack) {
  EXPECT_EQ(Run({}), kDone) << err_;
  ExpectFits(out_);
  ExpectGolden("forecast.txt", out_);
}

TEST_F(ForecastCommand, SaysWhatIf) {
  EXPECT_EQ(Run({"--without", "db-1", "--slow", "directory=20m"}), kDone)
      << err_;
  ExpectFits(out_);
  ExpectGolden("forecast-what-if.txt", out_);
}

TEST_F(ForecastCommand, GivesChancesWhereSomethingWasMeasured) {
  const std::string path =
      Write("measured.json",
            R"({"billing-db": ["4s", "9s", "6500ms"], "gone-since": ["1s"]})");
  EXPECT_EQ(Run({"--measured", path, "--seed", "3"}), kDone) << err_;
  ExpectFits(out_);
  ExpectGolden("forecast-measured.txt", out_);
  EXPECT_EQ(Run({"--measured", path, "--json"}), kDone) << err_;
  EXPECT_TRUE(nlohmann::json::parse(out_)["estate"].contains("p90_ms"));
  const std::string wrapped = Write(
      "durations.json", R"({"gates": {}, "steps": {"intranet": ["4s"]}})");
  EXPECT_EQ(Run({"--measured", wrapped}), kDone) << err_;
  EXPECT_THAT(out_, HasSubstr("Measured: 1 of 15 steps"));
}

TEST_F(ForecastCommand, TellsWhatPeopleTookBefore) {
  const std::string path = Write(
      "all.json",
      R"({"steps": {"intranet": ["4s"]}, "gates": {"data": ["9m", "20m"]}})");
  EXPECT_EQ(Run({"--measured", path}), kDone) << err_;
  EXPECT_THAT(Flat(out_), HasSubstr("took 9m (median of 2)"));
}

TEST_F(ForecastCommand, IsToldOnePlaceToLook) {
  EXPECT_EQ(Run({"--measured", "x", "--from-orchestrator"}), kUsage);
}

TEST_F(ForecastCommand, NamesWhatIsNotThere) {
  EXPECT_EQ(Run({"--without", "db-11"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("no host 'db-11'; did you mean 'db-1'?"));
  EXPECT_EQ(Run({"--slow", "diretory=5m"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("did you mean 'directory'?"));
  EXPECT_EQ(Run({"--slow", "directory"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("write --slow directory=20m"));
  EXPECT_EQ(Run({"--slow", "directory=5"}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("has no unit"));
  EXPECT_EQ(Run({"--measured", dir_ / "none.json"}), kMistakes);
  EXPECT_EQ(Run({"--measured", Write("a.json", "[1]")}), kMistakes);
  EXPECT_THAT(err_, HasSubstr("this is no JSON object"));
  EXPECT_EQ(Run({"--measured", Write("b.json", R"({"intranet": [3]})")}),
            kMistakes);
  EXPECT_EQ(Run({"--trials", "0"}), kUsage);
}

}  // namespace
}  // namespace sluice::cli
