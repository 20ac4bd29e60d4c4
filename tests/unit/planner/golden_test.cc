// Manifest in, the text out that people read: tests/golden/planner/NAME.yaml
// and NAME.txt, and the estate that the demonstration uses.
//
// SLUICE_UPDATE_GOLDEN=1 writes the texts anew; read the difference before you
// commit it.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/explain.h"
#include "orchestrator/planner/forecast_report.h"
#include "orchestrator/planner/graph_format.h"
#include "orchestrator/planner/plan.h"
#include "orchestrator/planner/render.h"
#include "orchestrator/planner/text.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = SLUICE_SOURCE_DIR;
const fs::path kGolden = kRoot / "tests/golden/planner";

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void ExpectGolden(const std::string& name, const std::string& text) {
  const fs::path path = kGolden / name;
  if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  const std::vector<std::string> want = absl::StrSplit(ReadFile(path), '\n');
  const std::vector<std::string> got = absl::StrSplit(text, '\n');
  for (size_t i = 0; i < std::max(want.size(), got.size()); ++i) {
    ASSERT_EQ(i < want.size() ? want[i] : "(no line)",
              i < got.size() ? got[i] : "(no line)")
        << name << ", line " << i + 1
        << ", differs; if it should, run with SLUICE_UPDATE_GOLDEN=1";
  }
}

// Named as if it lay in the current folder, so that no machine's path shows.
absl::StatusOr<std::shared_ptr<const Plan>> PlanOf(const fs::path& path) {
  ManifestSources sources;
  sources.files.push_back({path.filename().string(), ReadFile(path)});
  const ManifestResult result = ParseManifest(sources);
  if (!result.ok()) {
    std::string text;
    for (const Diagnostic& diagnostic : result.diagnostics) {
      if (diagnostic.severity != Diagnostic::Severity::kError) continue;
      text += FormatDiagnostic(result, diagnostic, /*with_source=*/false,
                               /*colour=*/false);
    }
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return absl::InvalidArgumentError(text);
  }
  return MakePlan(result.model);
}

TEST(Golden, PlansReadAsTheyShould) {
  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    if (entry.path().extension() == ".yaml") cases.push_back(entry.path());
  }
  std::sort(cases.begin(), cases.end());
  ASSERT_FALSE(cases.empty());
  for (const fs::path& path : cases) {
    const auto plan = PlanOf(path);
    const std::string text =
        plan.ok() ? PlanText(**plan, {.show_flows = true})
                  : absl::StrCat("refused: ", plan.status().message(), "\n");
    ExpectGolden(path.stem().string() + ".txt", text);
  }
}

class CityUtility : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto plan = PlanOf(kRoot / "manifests/city-utility.yaml");
    ASSERT_TRUE(plan.ok()) << plan.status();
    plan_ = *plan;
  }
  static void ExpectNarrow(const std::string& name, const std::string& text) {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      EXPECT_LE(planning::Columns(line), 80) << line;
    }
    ExpectGolden(name, text);
  }
  std::shared_ptr<const Plan> plan_;
};

TEST_F(CityUtility, FitsTwoScreensAtEightyColumns) {
  const std::string text = PlanText(*plan_, {});
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  EXPECT_LE(lines.size(), 100u);
  for (const std::string& line : lines) {
    EXPECT_LE(planning::Columns(line), 80) << line;
  }
  ExpectGolden("city-utility.plan", text);
}

TEST_F(CityUtility, ExplainsItsBillingEngine) {
  const auto text = ExplainText(*plan_, "billing-engine", {});
  ASSERT_TRUE(text.ok());
  ExpectGolden("city-utility.explain", *text);
}

TEST_F(CityUtility, IsForecastFromWhatWasMeasured) {
  ForecastQuestion question;
  for (const PlannedStep& step : plan_->steps) {
    if (step.external.empty()) {
      question.measured[step.id] = {absl::Seconds(3), absl::Seconds(20),
                                    absl::Seconds(45)};
    }
  }
  question.asked[plan_->stages.front().id] = {absl::Minutes(4),
                                              absl::Minutes(11)};
  ExpectNarrow("city-utility.forecast", ForecastText(*plan_, question, {}));
}

TEST_F(CityUtility, IsAPicture) {
  ExpectGolden("city-utility.svg", PlanSvg(*plan_));
  ExpectGolden("city-utility.dot", PlanDot(*plan_));
  ExpectGolden("city-utility.mermaid", PlanMermaid(*plan_));
}

}  // namespace
}  // namespace sluice
