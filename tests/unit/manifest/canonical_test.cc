// `sluice fmt`: every file of tests/golden/manifest-format is one case, a
// manifest and after "=== out" its layout. SLUICE_UPDATE_GOLDEN=1 writes what
// the program makes now; read the diff.

#include "orchestrator/manifest/canonical.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/plan.h"
#include "tests/unit/manifest/golden_case.h"

namespace sluice {
namespace {

std::filesystem::path Root() { return SLUICE_SOURCE_DIR; }

std::string Formatted(absl::string_view text) {
  const auto out = CanonicalText(text);
  EXPECT_TRUE(out.ok()) << out.status() << "\n" << text;
  return out.ok() ? *out : "";
}

// The digest of the plan, or "" when the manifest is not good.
std::string DigestOf(const ManifestSources& sources) {
  const ManifestResult result = ParseManifest(sources);
  if (!result.ok()) return "";
  const auto plan = MakePlan(result.model);
  return plan.ok() ? (*plan)->digest : "";
}

class Format : public testing::TestWithParam<std::string> {};

TEST_P(Format, LaysOutAsItDid) {
  const std::filesystem::path path =
      Root() / "tests/golden/manifest-format" / (GetParam() + ".txt");
  const std::string text = testing::ReadAll(path);
  const testing::GoldenCase golden = testing::ParseGolden(text);
  const std::string out = Formatted(golden.sources.files[0].text);
  if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary)
        << text.substr(0, text.find("=== out\n")) << "=== out\n"
        << out;
    return;
  }
  EXPECT_EQ(out, golden.expected);
  EXPECT_EQ(Formatted(out), out);
}

INSTANTIATE_TEST_SUITE_P(Golden, Format,
                         testing::ValuesIn(testing::GoldenNames(
                             Root() / "tests/golden/manifest-format")),
                         testing::TestName);

// Every manifest that ships, and every good golden case, with its own sources.
std::vector<ManifestSources> GoodManifests() {
  std::vector<ManifestSources> all;
  const auto add = [&](ManifestSources sources) {
    if (!DigestOf(sources).empty()) all.push_back(std::move(sources));
  };
  for (const char* folder : {"manifests", "tests/golden/planner"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(Root() / folder)) {
      if (entry.path().extension() != ".yaml") continue;
      add(LoadManifest(entry.path().string()).sources);
    }
  }
  for (const char* folder :
       {"tests/golden/manifest", "tests/golden/manifest-format"}) {
    for (const std::string& name : testing::GoldenNames(Root() / folder)) {
      add(testing::ParseGolden(
              testing::ReadAll(Root() / folder / (name + ".txt")))
              .sources);
    }
  }
  return all;
}

TEST(Layout, ChangesNoPlan) {
  const std::vector<ManifestSources> all = GoodManifests();
  EXPECT_GE(all.size(), 20u);
  for (ManifestSources sources : all) {
    const std::string before = DigestOf(sources);
    for (ManifestSources::File& file : sources.files) {
      file.text = Formatted(file.text);
    }
    EXPECT_EQ(DigestOf(sources), before) << sources.files[0].name;
  }
}

TEST(Layout, IsItsOwnLayout) {
  for (const ManifestSources& sources : GoodManifests()) {
    for (const ManifestSources::File& file : sources.files) {
      const std::string once = Formatted(file.text);
      EXPECT_EQ(Formatted(once), once) << file.name;
    }
  }
}

// A comment after every line and one above every line, however doubtful the
// place: each has to come out once.
TEST(Layout, LosesNoCommentWhereverItStands) {
  for (const ManifestSources& sources : GoodManifests()) {
    for (const ManifestSources::File& file : sources.files) {
      if (absl::StrContains(file.text, "|") ||
          absl::StrContains(file.text, ">")) {
        continue;  // lines of a block text take no comment
      }
      std::string text;
      int count = 0;
      for (absl::string_view line : absl::StrSplit(file.text, '\n')) {
        if (absl::EndsWith(line, "\r")) line.remove_suffix(1);
        const size_t indent =
            std::min(line.find_first_not_of(' '), line.size());
        ++count;
        absl::StrAppend(
            &text, std::string(indent, ' '), "#above-", count, ".\n", line,
            line.empty() ? "" : absl::StrCat(" #beside-", count, "."), "\n");
      }
      const auto out = CanonicalText(text);
      if (!out.ok()) continue;  // a text over several lines was cut by one
      for (int i = 1; i <= count; ++i) {
        const std::string comment = absl::StrCat("#above-", i, ".\n");
        const size_t first = out->find(comment);
        ASSERT_NE(first, std::string::npos) << comment << *out;
        ASSERT_EQ(out->find(comment, first + 1), std::string::npos);
      }
      EXPECT_EQ(Formatted(*out), *out);
    }
  }
}

TEST(Layout, KeepsTwoEmptyLinesAsOne) {
  const std::string out = Formatted("sluice: 1\n\n\n\nestate: a\n\n");
  EXPECT_EQ(out, "sluice: 1\n\nestate: a\n");
}

TEST(Layout, LeavesAloneWhatItCannotRead) {
  EXPECT_FALSE(CanonicalText("sluice: [1").ok());
  EXPECT_FALSE(CanonicalText("- a\n- b\n").ok());
  EXPECT_FALSE(CanonicalText("").ok());
  EXPECT_FALSE(CanonicalText("a: 1\na: 2\n").ok());
}

TEST(Layout, StaysWithinItsWidth) {
  for (const ManifestSources& sources : GoodManifests()) {
    for (const ManifestSources::File& file : sources.files) {
      for (const absl::string_view line :
           absl::StrSplit(Formatted(file.text), '\n')) {
        if (absl::StrContains(line, "#")) continue;
        EXPECT_LE(line.size(), 90u) << file.name << ": " << line;
      }
    }
  }
}

}  // namespace
}  // namespace sluice
