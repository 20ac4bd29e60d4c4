// What an older version wrote, read by this one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/journal/codec.h"

namespace sluice::journal {
namespace {

struct Line {
  uint32_t kind = 0;
  uint32_t version = 0;
  std::string payload;
};

std::vector<Line> Lines(const char* name) {
  std::ifstream file(
      absl::StrCat(SLUICE_SOURCE_DIR, "/tests/golden/journal/", name));
  std::vector<Line> lines;
  std::string text;
  while (std::getline(file, text)) {
    if (text.empty() || text.front() == '#') continue;
    Line line;
    std::string hex;
    std::istringstream(text) >> line.kind >> line.version >> hex;
    if (hex != "-") line.payload = absl::HexStringToBytes(hex);
    lines.push_back(line);
  }
  return lines;
}

absl::StatusOr<std::shared_ptr<const Plan>> Load(
    const std::vector<SourceFile>&) {
  auto plan = std::make_shared<Plan>();
  plan->digest = "sha256:";
  for (int i = 0; i < 32; ++i) plan->digest += "ab";
  return plan;
}

TEST(OldRecords, AreReadWholeByThisVersion) {
  std::set<uint32_t> kinds;
  for (const Line& line : Lines("records-0.1.0.txt")) {
    kinds.insert(line.kind);
    const auto event = Decode(line.kind, line.version, line.payload, Load);
    ASSERT_TRUE(event.ok()) << line.kind << " " << event.status();
    // Nothing of it is lost: written again it is the same.
    EXPECT_EQ(Encode(*event).payload, line.payload) << KindName(line.kind);
  }
  EXPECT_EQ(kinds.size(), 17u) << "every kind that 0.1.0 wrote";
}

// A kind that 0.1.0 did not have yet, as it was first written.
TEST(OldRecords, OfLaterKindsAreReadWholeToo) {
  const std::vector<Line> lines = Lines("records-later.txt");
  ASSERT_EQ(lines.size(), 2u);
  for (const Line& line : lines) {
    const auto event = Decode(line.kind, line.version, line.payload, Load);
    ASSERT_TRUE(event.ok()) << line.kind << " " << event.status();
    EXPECT_EQ(Encode(*event).payload, line.payload) << KindName(line.kind);
  }
  const auto last =
      Decode(lines[1].kind, lines[1].version, lines[1].payload, Load);
  const auto& word = std::get<engine::PointReported>(*last);
  EXPECT_EQ(word.task.str(), "plc-1/open-4");
  EXPECT_FALSE(word.done);
  EXPECT_EQ(word.saw, "the cable broke");
}

TEST(OldRecords, AreNotTakenForNewerOnes) {
  for (const Line& line : Lines("records-0.1.0.txt")) {
    const auto event = Decode(line.kind, 1000, line.payload, Load);
    EXPECT_EQ(event.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(event.status().message(),
                ::testing::HasSubstr("version that wrote it"));
  }
}

}  // namespace
}  // namespace sluice::journal
