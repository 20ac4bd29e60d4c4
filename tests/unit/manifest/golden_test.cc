// Every file of tests/golden/manifest is one case: a manifest, further files
// after lines "=== name", and after "=== out" exactly what people are told.
// SLUICE_UPDATE_GOLDEN=1 writes what the program says now; read the diff.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "orchestrator/manifest/manifest.h"

namespace sluice {
namespace {

struct Case {
  ManifestSources sources;
  std::string expected;
};

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

Case ParseCase(const std::string& text) {
  Case result;
  result.sources.files.push_back({"manifest.yaml", ""});
  std::string* into = &result.sources.files[0].text;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    end = end == std::string::npos ? text.size() : end + 1;
    const std::string line = text.substr(at, end - at);
    at = end;
    if (line == "=== out\n") {
      into = &result.expected;
    } else if (absl::StartsWith(line, "=== ")) {
      result.sources.files.push_back({line.substr(4, line.size() - 5), ""});
      into = &result.sources.files.back().text;
    } else {
      *into += line;
    }
  }
  return result;
}

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

std::vector<std::string> CaseNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    if (entry.path().extension() == ".txt") {
      names.push_back(entry.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, SaysWhatItSaid) {
  const std::filesystem::path path = Folder() / (GetParam() + ".txt");
  const std::string text = ReadAll(path);
  const Case golden = ParseCase(text);
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

INSTANTIATE_TEST_SUITE_P(Manifest, Golden, testing::ValuesIn(CaseNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

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
