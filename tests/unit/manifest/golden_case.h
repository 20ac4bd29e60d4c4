// Golden files of manifests: a manifest, further files after lines
// "=== name", and after "=== out" what is expected.

#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "orchestrator/manifest/manifest.h"

namespace sluice::testing {

using namespace ::testing;  // one name for both in this room's tests

struct GoldenCase {
  ManifestSources sources;
  std::string expected;
};

inline std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline GoldenCase ParseGolden(const std::string& text) {
  GoldenCase result;
  result.sources.files.push_back({"manifest.yaml", ""});
  bool expecting = false;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    end = end == std::string::npos ? text.size() : end + 1;
    const std::string line = text.substr(at, end - at);
    at = end;
    if (line == "=== out\n") {
      expecting = true;
    } else if (absl::StartsWith(line, "=== ")) {
      result.sources.files.push_back({line.substr(4, line.size() - 5), ""});
    } else {
      (expecting ? result.expected : result.sources.files.back().text) += line;
    }
  }
  return result;
}

inline std::vector<std::string> GoldenNames(
    const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") {
      names.push_back(entry.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The case's name as GoogleTest wants names.
inline std::string TestName(const TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace sluice::testing
