// Every file of tests/golden/manifest is one case: a manifest, further files
// after lines "=== name", and after "=== out" exactly what people are told.
// SLUICE_UPDATE_GOLDEN=1 writes what the program says now; read the diff.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "orchestrator/manifest/manifest.h"
#include "tests/unit/manifest/golden_case.h"

namespace sluice {
namespace {

std::string Say(const ManifestSources& sources) {
  const ManifestResult result = ParseManifest(sources);
  std::string out;
  int errors = 0, warnings = 0;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    out += FormatDiagnostic(result, diagnostic, true, false);
    ++(diagnostic.severity == Diagnostic::Severity::kError ? errors : warnings);
  }
  return absl::StrCat(out, errors, errors == 1 ? " error, " : " errors, ",
                      warnings, warnings == 1 ? " warning\n" : " warnings\n");
}

std::filesystem::path Folder() {
  return std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/golden/manifest";
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, SaysWhatItSaid) {
  const std::filesystem::path path = Folder() / (GetParam() + ".txt");
  const std::string text = testing::ReadAll(path);
  const testing::GoldenCase golden = testing::ParseGolden(text);
  const std::string said = Say(golden.sources);
  for (const absl::string_view line : absl::StrSplit(said, '\n')) {
    const auto characters = std::count_if(
        line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
    EXPECT_LE(characters, 80) << "wider than a terminal: " << line;
  }
  if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) {
    const size_t out = text.find("=== out\n");
    std::ofstream(path, std::ios::binary) << text.substr(0, out) << "=== out\n"
                                          << said;
    return;
  }
  EXPECT_EQ(said, golden.expected);
}

INSTANTIATE_TEST_SUITE_P(Manifest, Golden,
                         testing::ValuesIn(testing::GoldenNames(Folder())),
                         testing::TestName);

TEST(ShippedManifests, HaveNoErrors) {
  int count = 0;
  const std::filesystem::path root(SLUICE_SOURCE_DIR);
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(root / "manifests")) {
    if (entry.path().extension() != ".yaml") continue;
    // Parts that others include are no manifests of their own.
    if (absl::StrContains(entry.path().string(), "/parts/")) continue;
    ++count;
    const ManifestResult result = LoadManifest(entry.path().string());
    for (const Diagnostic& diagnostic : result.diagnostics) {
      EXPECT_NE(diagnostic.severity, Diagnostic::Severity::kError)
          << FormatDiagnostic(result, diagnostic, true, false);
    }
  }
  EXPECT_GE(count, 1);
}

}  // namespace
}  // namespace sluice
