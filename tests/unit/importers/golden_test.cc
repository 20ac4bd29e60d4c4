// Every file of tests/golden/importers is one case: the command, files after
// lines "=== name", and after "=== out" exactly what people are told, then the
// manifest. SLUICE_UPDATE_GOLDEN=1 writes what the program says now; read the
// diff.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/unit/importers/import.h"

namespace sluice::importers {
namespace {

struct Case {
  std::vector<std::string> command;
  Files files;
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
  std::string first;
  std::string* into = &first;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    end = end == std::string::npos ? text.size() : end + 1;
    const std::string line = text.substr(at, end - at);
    at = end;
    if (line == "=== out\n") {
      into = &result.expected;
    } else if (absl::StartsWith(line, "=== ") && into != &result.expected) {
      into = &result.files[line.substr(4, line.size() - 5)];
    } else {
      *into += line;
    }
  }
  result.command =
      absl::StrSplit(first, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  return result;
}

ImportResult RunCase(const Case& golden) {
  CsvOptions csv;
  ComposeOptions compose;
  EstateOptions estate;
  std::vector<std::string> files;
  const std::map<std::string, std::string*> texts = {
      {"--host", &csv.host},
      {"--address", &csv.address},
      {"--system", &csv.system},
      {"--category", &csv.category},
      {"--port", &csv.port},
      {"--needs", &csv.needs},
      {"--owner", &csv.owner},
      {"--priority", &csv.priority},
      {"--estate", &estate.estate},
      {"--orchestrator", &estate.orchestrator},
      {"--addresses", &compose.addresses}};
  const std::vector<std::string>& words = golden.command;
  for (size_t i = 1; i < words.size(); ++i) {
    if (const auto at = texts.find(words[i]); at != texts.end()) {
      *at->second = words[++i];
    } else if (words[i] == "--separator") {
      csv.separator = words[++i][0];
    } else if (words[i] == "--profile") {
      compose.profiles.push_back(words[++i]);
    } else if (words[i] == "--env-file") {
      compose.env_files.push_back(words[++i]);
    } else if (words[i] == "--keep-going") {
      csv.keep_going = true;
    } else {
      files.push_back(words[i]);
    }
  }
  csv.estate = compose.estate = estate;
  compose.files = files;
  csv.file = files.at(0);
  return words[0] == "csv" ? ImportCsv(csv, ReaderOf(golden.files))
                           : ImportCompose(compose, ReaderOf(golden.files));
}

std::filesystem::path Folder() {
  return std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/golden/importers";
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
  const ImportResult result = RunCase(golden);
  const std::string said = absl::StrCat(Said(result), result.manifest);
  for (const absl::string_view line : absl::StrSplit(said, '\n')) {
    const auto characters = std::count_if(
        line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
    EXPECT_LE(characters, 80) << "wider than a terminal: " << line;
  }
  if (!result.manifest.empty()) {
    EXPECT_EQ(Refused(result.manifest), "");
    EXPECT_EQ(RunCase(golden).manifest, result.manifest);
  }
  if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) {
    const size_t out = text.find("=== out\n");
    std::ofstream(path, std::ios::binary) << text.substr(0, out) << "=== out\n"
                                          << said;
    return;
  }
  EXPECT_EQ(said, golden.expected);
}

INSTANTIATE_TEST_SUITE_P(Importers, Golden, testing::ValuesIn(CaseNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace sluice::importers
