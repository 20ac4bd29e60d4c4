#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/planner/graph_format.h"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Estate;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::SmallUtility;

std::vector<std::string> Words(const Plan& plan, const GraphOptions& options) {
  std::vector<std::string> words;
  for (const GraphEdge& edge : GraphEdges(plan, options)) {
    words.push_back(plan.steps[edge.from].id.str() + " -> " +
                    plan.steps[edge.to].id.str() + (edge.soft ? " soft" : ""));
  }
  return words;
}

TEST(Graph, LeavesOutNeedsThatFollowFromOthers) {
  Estate estate = SmallUtility();
  estate.Needs("portal", "billing-db:postgres");
  estate.Needs("portal", "directory:ldap", Strength::kSoft);
  const auto plan = estate.Planned();
  EXPECT_THAT(
      Words(*plan, {}),
      ElementsAre("directory -> billing-db soft", "name-service -> billing-db",
                  "billing-db -> billing-engine", "directory -> billing-engine",
                  "pilot-office>portal:https -> citizens>portal:https",
                  "name-service -> directory",
                  "portal -> pilot-office>portal:https",
                  "billing-engine -> portal"));
  EXPECT_THAT(Words(*plan, {.all_needs = true}),
              AllOf(Contains("billing-db -> portal"),
                    Contains("directory -> portal soft")));
}

TEST(Graph, KeepsAHardNeedThatOnlyASoftOneWouldImply) {
  Estate estate = SmallUtility();
  // billing-db uses directory softly: it does not wait for it.
  estate.Get("billing-engine").needs.clear();
  estate.Needs("billing-engine", "billing-db:postgres");
  estate.Needs("billing-engine", "directory:ldap");
  EXPECT_THAT(Words(*estate.Planned(), {}),
              Contains("directory -> billing-engine"));
}

TEST(Graph, DrawsSoftCircles) {
  Estate estate = SmallUtility();
  estate.Needs("name-service", "portal:https", Strength::kSoft);
  const auto plan = estate.Planned();
  EXPECT_THAT(Words(*plan, {}), Contains("portal -> name-service soft"));
  EXPECT_THAT(PlanSvg(*plan), HasSubstr("line soft"));
}

TEST(Dot, EscapesWhatPeopleWrote) {
  Estate estate = SmallUtility();
  estate.Get("portal").title = "a \"b\" \\ \n c";
  EXPECT_THAT(PlanDot(*estate.Planned()),
              HasSubstr("label=\"a \\\"b\\\" \\\\ ? c\\nweb-1\""));
}

TEST(Mermaid, EscapesWhatPeopleWrote) {
  Estate estate = SmallUtility();
  estate.Get("portal").title = "a \"b\" <script>";
  EXPECT_THAT(PlanMermaid(*estate.Planned()),
              HasSubstr("[\"a #quot;b#quot; #lt;script#gt;<br/>web-1\"]"));
}

TEST(Svg, EscapesWhatPeopleWroteAndRunsNothing) {
  Estate estate = SmallUtility();
  estate.model.title = "<script>alert(1)</script> & co";
  estate.Get("portal").title = "\"><image href=x>";
  const std::string svg = PlanSvg(*estate.Planned());
  EXPECT_THAT(svg, AllOf(HasSubstr("&lt;script&gt;"), HasSubstr("&amp; co"),
                         Not(HasSubstr("<script")), Not(HasSubstr("<image"))));
}

TEST(Svg, DrawsEveryStepOnceAndEveryStage) {
  const auto plan = SmallUtility().Planned();
  const std::string svg = PlanSvg(*plan);
  size_t boxes = 0;
  for (size_t at = svg.find("<g><title>"); at != std::string::npos;
       at = svg.find("<g><title>", at + 1)) {
    ++boxes;
  }
  EXPECT_EQ(boxes, plan->steps.size());
  EXPECT_THAT(svg, AllOf(HasSubstr("1  foundations"), HasSubstr("4  outside"),
                         HasSubstr("</svg>\n")));
}

TEST(Svg, OfHostsAloneIsStillAPicture) {
  Estate estate;
  estate.model.estate = EstateId("young");
  estate.AddHost("h", {"10.0.0.1"});
  EXPECT_THAT(PlanSvg(*estate.Planned()), HasSubstr("young"));
}

TEST(Svg, OfALargeEstateIsDrawnToo) {
  Estate estate;
  estate.AddHost("h", {"10.0.0.1"});
  for (int i = 0; i < 600; ++i) {
    const std::string id = "s" + std::to_string(1000 + i);
    estate.AddSystem(id, {"h"}, {"p=1/tcp"});
    for (int back : {1, 7, 40}) {
      if (i >= back) {
        estate.Needs(id, "s" + std::to_string(1000 + i - back) + ":p");
      }
    }
  }
  EXPECT_THAT(PlanSvg(*estate.Planned(), {.all_needs = true}),
              HasSubstr("</svg>"));
}

}  // namespace
}  // namespace sluice
