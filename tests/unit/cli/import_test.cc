// `sluice import`: files in, a file out that validates.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "orchestrator/cli/files.h"
#include "orchestrator/cli/program.h"
#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/golden.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ImportCommand : public ::testing::Test {
 protected:
  int Run(const std::vector<std::string>& arguments) {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const int code =
        RunSluice(arguments, {.in = &in, .out = &out, .err = &err});
    out_ = out.str();
    err_ = err.str();
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

TEST_F(ImportCommand, CsvGivesAManifestThatValidatesAndPlans) {
  const std::string csv =
      Write("cmdb.csv", "Name;IP;Port\ndb-1;10.0.0.1;5432\nweb;10.0.0.2;443\n");
  const std::string out = dir_ / "manifest.yaml";
  EXPECT_EQ(Run({"import", "csv", csv, "--host", "name", "--address", "IP",
                 "--port", "Port", "--separator", ";", "--out", out}),
            kDone)
      << err_;
  EXPECT_THAT(Flat(out_), HasSubstr("2 systems on 2 hosts; next: sluice"));
  EXPECT_EQ(Run({"validate", out}), kDone) << err_;
  EXPECT_EQ(Run({"plan", out}), kDone) << err_;
  // Nothing is overwritten.
  EXPECT_EQ(Run({"import", "csv", csv, "--host", "Name", "--address", "IP",
                 "--separator", ";", "--out", out}),
            kMistakes);
  EXPECT_THAT(Flat(err_), HasSubstr("nothing is overwritten"));
}

TEST_F(ImportCommand, MistakesAreToldAndNothingIsWritten) {
  const std::string csv =
      Write("x.csv", "Name,IP\na,10.0.0.1\nb,10.0.0.1\nc,ten\n");
  EXPECT_EQ(Run({"import", "csv", csv, "--host", "Name", "--address", "IP"}),
            kMistakes);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(Flat(err_), HasSubstr("2 mistakes; no manifest was written."));
  EXPECT_EQ(Run({"import", "csv", csv, "--host", "Name", "--address", "IP",
                 "--keep-going"}),
            kMistakes);
  EXPECT_THAT(out_, HasSubstr("a: {address: 10.0.0.1}"));
}

TEST_F(ImportCommand, ComposeGoesToStandardOutput) {
  const std::string file =
      Write("compose.yaml",
            "services:\n  web: {ports: ['80:${PORT:-80}'], depends_on: [db]}\n"
            "  db: {expose: [5432], deploy: {replicas: 2}}\n");
  EXPECT_EQ(Run({"import", "compose", file, "--estate", "shop"}), kDone)
      << err_;
  EXPECT_THAT(out_, StartsWith("# Made by `sluice import compose`"));
  EXPECT_THAT(out_, HasSubstr("needs: [db:postgres]"));
  EXPECT_THAT(Flat(err_), HasSubstr("1 thing could not be translated"));
  ExpectFits(out_);
}

TEST_F(ImportCommand, SaysHowItIsUsed) {
  EXPECT_EQ(Run({"import", "csv", "--help"}), kDone);
  EXPECT_THAT(out_, HasSubstr("sluice import csv"));
  EXPECT_THAT(out_, HasSubstr("--keep-going"));
  EXPECT_EQ(Run({"import"}), kUsage);
  EXPECT_EQ(Run({"import", "csv", "x.csv"}), kUsage);
  EXPECT_THAT(Flat(err_), HasSubstr("`sluice import csv --help`"));
  EXPECT_EQ(Run({"import", "csv", "x", "--host", "a", "--address", "b",
                 "--separator", "::"}),
            kUsage);
  EXPECT_EQ(Run({"import", "compose", dir_ / "none.yaml"}), kMistakes);
}

}  // namespace
}  // namespace sluice::cli
