#include "orchestrator/planner/render.h"

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "orchestrator/planner/text.h"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using testing::Estate;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::SmallUtility;

void ExpectFits(const std::string& text, int width) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(planning::Columns(line), width) << line;
    EXPECT_FALSE(!line.empty() && line.back() == ' ') << "'" << line << "'";
  }
}

TEST(PlanText, FitsItsWidthWhateverTheNames) {
  Estate estate = SmallUtility();
  std::vector<std::string> hosts;
  for (int i = 10; i < 60; ++i) {
    hosts.push_back("application-server-" + std::to_string(i));
    estate.AddHost(hosts.back(), {"10.78.0." + std::to_string(i),
                                  "fd78::" + std::to_string(i)});
  }
  estate
      .AddSystem("a-system-with-a-name-that-nobody-would-give-to-a-system",
                 hosts, {"x=1/tcp"})
      .category = "something-quite-unusual";
  const auto plan = estate.Planned();
  ExpectFits(PlanText(*plan, {}), 80);
  ExpectFits(PlanText(*plan, {.width = 100}), 100);
  ExpectFits(PlanText(*plan, {.colour = true}), 80);
}

TEST(PlanText, IsTheSameTextWithColourInIt) {
  const auto plan = SmallUtility().Planned();
  std::string text = PlanText(*plan, {.colour = true});
  EXPECT_THAT(text, HasSubstr("\x1b["));
  while (true) {
    const size_t at = text.find('\x1b');
    if (at == std::string::npos) break;
    text.erase(at, text.find('m', at) - at + 1);
  }
  EXPECT_EQ(text, PlanText(*plan, {}));
  EXPECT_THAT(PlanText(*plan, {}), Not(HasSubstr("\x1b")));
}

TEST(PlanText, NamesTheTasksAndWhoSigns) {
  Estate estate = SmallUtility();
  estate.Get("billing-db")
      .inspect.push_back(testing::Signed(
          "billing-db/rotated", "passwords rotated", "incident-commander"));
  estate.Get("billing-engine")
      .accept.push_back(testing::Signed("billing-engine/invoice",
                                        "invoice matches", "system-owner"));
  const std::string text = PlanText(*estate.Planned(), {});
  EXPECT_THAT(
      text, HasSubstr("before: passwords rotated (incident-commander signs)"));
  EXPECT_THAT(text, HasSubstr("after: invoice matches (system-owner accepts)"));
  EXPECT_THAT(text, HasSubstr("and 2 tasks comes on top."));
}

TEST(PlanText, NamesThePromisesThatAHostDoesNotKeep) {
  Estate estate = SmallUtility();
  estate.model.hosts[2].grade = Grade::kDriven;
  estate.model.hosts[3].grade = Grade::kManual;
  const std::string text = PlanText(*estate.Planned(), {});
  EXPECT_THAT(text, HasSubstr("db-1 is driven"));
  EXPECT_THAT(text, HasSubstr("app-1 is manual"));
}

TEST(PlanText, ShowsEveryFlowWhenAsked) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(PlanText(*plan, {.show_flows = true}),
              HasSubstr("tcp fd77::42 fd77::31 8080\n"));
  EXPECT_THAT(PlanText(*plan, {}), Not(HasSubstr("fd77")));
}

TEST(PlanText, GivesATerminalNoOrders) {
  Estate estate = SmallUtility();
  estate.model.title = "evil\x1b[2Jtitle";
  EXPECT_THAT(PlanText(*estate.Planned(), {}), Not(HasSubstr("\x1b")));
}

TEST(PlanText, OfHostsAloneSaysWhatWorks) {
  Estate estate;
  estate.model.estate = EstateId("young");
  estate.AddHost("h", {"10.0.0.1"});
  EXPECT_THAT(PlanText(*estate.Planned(), {}), HasSubstr("no systems yet"));
}

TEST(PlanJson, IsJsonThatAProgramCanRead) {
  const auto plan = SmallUtility().Planned();
  const nlohmann::json json = nlohmann::json::parse(PlanJson(*plan));
  EXPECT_EQ(json["estate"], "small-utility");
  EXPECT_EQ(json["digest"], plan->digest);
  EXPECT_EQ(json["steps"].size(), plan->steps.size());
  EXPECT_EQ(json["stages"][0]["gate"]["approvals"]["incident-commander"], 1);
  EXPECT_EQ(json["grants"][0]["id"], "billing-db>directory:ldap");
}

TEST(PlanJson, SurvivesBytesThatAreNoText) {
  Estate estate = SmallUtility();
  estate.model.title = "\xff\xfe";
  EXPECT_TRUE(nlohmann::json::accept(PlanJson(*estate.Planned())));
}

}  // namespace
}  // namespace sluice
