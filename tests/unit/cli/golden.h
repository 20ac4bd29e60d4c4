// Golden files: what a command prints, as one readable file a case.
//
// SLUICE_GOLDEN=rewrite writes them anew; the change is then read as a diff.

#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "orchestrator/report/layout.h"

namespace sluice::cli {

inline std::string GoldenPath(const std::string& name) {
  return std::string(SLUICE_SOURCE_DIR) + "/tests/golden/cli/" + name;
}

inline std::string ReadGolden(const std::string& name) {
  std::ifstream file(GoldenPath(name));
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void ExpectGolden(const std::string& name, const std::string& actual) {
  const char* mode = std::getenv("SLUICE_GOLDEN");
  if (mode != nullptr && std::string(mode) == "rewrite") {
    std::ofstream(GoldenPath(name)) << actual;
    return;
  }
  EXPECT_EQ(ReadGolden(name), actual)
      << name << " differs; SLUICE_GOLDEN=rewrite writes it anew.";
}

// No line is wider than a terminal.
inline void ExpectFits(const std::string& text, int width = 80) {
  std::stringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(DisplayWidth(line), width) << line;
  }
}

// Sentences are wrapped; what they say is not.
inline std::string Flat(const std::string& text) {
  return absl::StrJoin(
      absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty()), " ");
}

template <typename Message>
Message Canned(const std::string& name) {
  Message message;
  const bool parsed =
      google::protobuf::TextFormat::ParseFromString(ReadGolden(name), &message);
  EXPECT_TRUE(parsed) << name;
  return message;
}

}  // namespace sluice::cli
