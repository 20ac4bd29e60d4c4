// A whole inventory with ten mistakes, told, corrected as told, and planned.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tests/unit/importers/import.h"

namespace sluice::importers {
namespace {

using ::testing::HasSubstr;

// Sixty systems on three hundred machines: each system on five, each needing
// the one before it in its group of six.
std::vector<std::string> Inventory() {
  std::vector<std::string> lines = {
      "Name,IP Address,Service,Area,Ports,Depends On,Priority,Rack"};
  const char* areas[] = {"Foundation", "Billing", "Commercial", "Information"};
  for (int i = 0; i < 300; ++i) {
    const int system = i / 5;
    const std::string need =
        system % 6 == 0
            ? ""
            : absl::StrFormat("svc-%02d:%d", system - 1, 8000 + system - 1);
    lines.push_back(absl::StrFormat(
        "srv-%03d,10.20.%d.%d,svc-%02d,%s,%d,%s,%s,\"R%d, row %d\"", i, i / 200,
        i % 200 + 1, system, areas[system % 4], 8000 + system, need,
        system % 9 == 0 ? "high" : "normal", i % 12, i % 4));
  }
  return lines;
}

struct Mistake {
  int line;  // 1-based, in the file
  std::string from;
  std::string to;
  std::string said;
};

// Each line's own words, and what is done to them. The last column of a row
// holds a quoted text, so that a lost quote is one too.
const std::vector<Mistake>& Mistakes() {
  static const auto& mistakes = *new std::vector<Mistake>{
      {12, ",normal,", ",", "the row has 7 fields, the header 8"},
      {33, "\"R7, row 3\"", "\"R7, row 3", "this quote is not closed"},
      {51, "srv-049,", ",", "no host; write its name, or remove the row"},
      {77, "srv-075,", "***,", "no name can be made from '***'"},
      {90, "10.20.0.89,", "10.20.0.890,", "'10.20.0.890' is no address"},
      {123, "10.20.0.122,", "10.20.0.121,",
       "host 'srv-121' has 10.20.0.121, and so has 'srv-120' in line 122"},
      {164, ",8032,", ",80320,", "80320 is out of range"},
      {199, "svc-38:8038", "svc-3g:8038",
       "there is no such system; did you mean 'svc-30'?"},
      {236, ",normal,", ",urgent,", "'urgent' is no priority"},
      {250, "srv-248,", "srv-247,",
       "host 'srv-247' has 10.20.1.49 here and 10.20.1.48 in line 249"},
  };
  return mistakes;
}

CsvOptions Options() {
  CsvOptions options;
  options.file = "inventory.csv";
  options.host = "Name";
  options.address = "IP Address";
  options.system = "Service";
  options.category = "Area";
  options.port = "Ports";
  options.needs = "Depends On";
  options.priority = "Priority";
  return options;
}

std::string Text(const std::vector<std::string>& lines,
                 absl::string_view end = "\n") {
  return absl::StrCat(absl::StrJoin(lines, end), end);
}

TEST(Inventory, IsImportedAndPlanned) {
  const Files files = {{"inventory.csv", Text(Inventory())}};
  const ImportResult result = ImportCsv(Options(), ReaderOf(files));
  EXPECT_EQ(Said(result), "");
  EXPECT_EQ(result.hosts, 300);
  EXPECT_EQ(result.systems, 60);
  EXPECT_EQ(Refused(result.manifest), "");
}

TEST(Inventory, TellsItsTenMistakesInOnePass) {
  std::vector<std::string> lines = Inventory();
  for (const Mistake& mistake : Mistakes()) {
    std::string& line = lines[mistake.line - 1];
    const size_t at = line.find(mistake.from);
    ASSERT_NE(at, std::string::npos) << line << " / " << mistake.from;
    line.replace(at, mistake.from.size(), mistake.to);
  }
  const Files files = {{"inventory.csv", Text(lines)}};
  const ImportResult result = ImportCsv(Options(), ReaderOf(files));
  EXPECT_EQ(result.manifest, "");
  EXPECT_EQ(result.said.diagnostics.size(), 10u) << Said(result);
  for (size_t i = 0; i < std::min<size_t>(10, result.said.diagnostics.size());
       ++i) {
    const Diagnostic& one = result.said.diagnostics[i];
    EXPECT_EQ(one.place.line, Mistakes()[i].line);
    EXPECT_THAT(one.message, HasSubstr(Mistakes()[i].said));
  }
}

TEST(Inventory, CorrectedLineByLineSaysOneMistakeLessEachTime) {
  const std::vector<std::string> good = Inventory();
  std::vector<std::string> lines = good;
  for (const Mistake& mistake : Mistakes()) {
    std::string& line = lines[mistake.line - 1];
    line.replace(line.find(mistake.from), mistake.from.size(), mistake.to);
  }
  size_t left = Mistakes().size();
  for (const Mistake& mistake : Mistakes()) {
    lines[mistake.line - 1] = good[mistake.line - 1];
    const Files files = {{"inventory.csv", Text(lines)}};
    const ImportResult result = ImportCsv(Options(), ReaderOf(files));
    EXPECT_EQ(result.said.diagnostics.size(), --left) << Said(result);
    if (left > 0) continue;
    EXPECT_EQ(Refused(result.manifest), "");
    EXPECT_EQ(result.hosts, 300);
  }
}

TEST(Inventory, KeepsGoingWithoutWhatIsWrong) {
  std::vector<std::string> lines = Inventory();
  for (const Mistake& mistake : Mistakes()) {
    std::string& line = lines[mistake.line - 1];
    line.replace(line.find(mistake.from), mistake.from.size(), mistake.to);
  }
  const Files files = {{"inventory.csv", Text(lines)}};
  CsvOptions options = Options();
  options.keep_going = true;
  const ImportResult result = ImportCsv(options, ReaderOf(files));
  EXPECT_EQ(result.said.diagnostics.size(), 10u);
  EXPECT_EQ(result.hosts, 291);  // all but the need cost a row
  EXPECT_EQ(Refused(result.manifest), "");
  EXPECT_TRUE(absl::StrContains(
      result.manifest, "# not translated: line 164, host 'srv-162'\n"));
  EXPECT_TRUE(
      absl::StrContains(result.manifest, "# not translated: line 51\n"));
}

TEST(Inventory, IsTheSameWithOtherLineEndsAndOrder) {
  std::vector<std::string> lines = Inventory();
  const Files plain = {{"inventory.csv", Text(lines)}};
  std::reverse(lines.begin() + 1, lines.end());
  const Files other = {
      {"inventory.csv", absl::StrCat("\xef\xbb\xbf", Text(lines, "\r\n"))}};
  EXPECT_EQ(ImportCsv(Options(), ReaderOf(plain)).manifest,
            ImportCsv(Options(), ReaderOf(other)).manifest);
}

// Whatever a broken export holds: an answer, and a manifest only when it is
// good. Seeded, so that a failure comes again.
TEST(Inventory, SurvivesAnyDamage) {
  std::mt19937 random(7);
  const std::string whole = Text(Inventory()).substr(0, 3000);
  const std::string alphabet =
      "\",;\n\r -:/\xc3\xff\x01"
      "0a";
  for (int round = 0; round < 300; ++round) {
    std::string text = whole;
    for (int i = 0; i < 8; ++i) {
      text[random() % text.size()] = alphabet[random() % alphabet.size()];
    }
    const Files files = {{"inventory.csv", text}};
    CsvOptions options = Options();
    options.keep_going = round % 2 == 1;
    const ImportResult result = ImportCsv(options, ReaderOf(files));
    if (!result.manifest.empty()) {
      EXPECT_EQ(Refused(result.manifest), "") << text;
    }
  }
}

TEST(Inventory, IsRefusedWhenItIsNoText) {
  for (const std::string& text :
       {std::string("\xff\xfeN\0a\0", 6), std::string("a\0b", 3),
        std::string(17 << 20, 'x'), std::string()}) {
    const Files files = {{"inventory.csv", text}};
    const ImportResult result = ImportCsv(Options(), ReaderOf(files));
    EXPECT_EQ(result.manifest, "");
    EXPECT_FALSE(result.said.diagnostics.empty());
  }
}

}  // namespace
}  // namespace sluice::importers
