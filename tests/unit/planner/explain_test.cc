#include "orchestrator/planner/explain.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::Estate;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SmallUtility;
using testing::Strings;

std::string Explain(const Plan& plan, const char* name,
                    RenderOptions options = {}) {
  const auto text = ExplainText(plan, name, options);
  return text.ok() ? *text : std::string(text.status().message());
}

TEST(Explain, SaysWhatASystemWaitsForAndWhy) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(
      Explain(*plan, "portal"),
      AllOf(HasSubstr("why then     billing-engine, which it needs, is the "
                      "last to be ready\n"
                      "             name-service -> directory -> billing-db "
                      "-> billing-engine -> portal\n"),
            HasSubstr("waits for    billing-engine (http): until it is "
                      "healthy\n"),
            HasSubstr("opens        portal>billing-engine:http: 4 flows\n")));
  EXPECT_THAT(Explain(*plan, "billing-db"),
              HasSubstr("directory (ldap): not waited for, used when it is "
                        "healthy"));
  EXPECT_THAT(Explain(*plan, "name-service"),
              HasSubstr("it is among the first"));
}

TEST(Explain, SaysWhoWaitsForASystemAndWhatItsFailureDoes) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(Explain(*plan, "billing-engine"),
              AllOf(HasSubstr("waited for   by portal; through them "),
                    HasSubstr("if it fails  it is isolated, and with it "),
                    HasSubstr("others open  portal>billing-engine:http")));
}

TEST(Explain, NamesWhatEveryChainOfNeedsRunsThrough) {
  const auto plan = SmallUtility().Planned();
  // billing-engine needs both the database and the directory; neither alone
  // is on every chain, and all end at the name service.
  EXPECT_THAT(Strings(DominatorsOf(*plan, StepId("portal"))),
              ElementsAre("billing-engine", "name-service"));
  EXPECT_THAT(DominatorsOf(*plan, StepId("name-service")), IsEmpty());
  EXPECT_THAT(Explain(*plan, "portal"),
              HasSubstr("every chain of needs runs through billing-engine and "
                        "name-service\n"));
}

TEST(Explain, ExplainsAnEntry) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(Explain(*plan, "citizens>portal:https", {.show_flows = true}),
              AllOf(HasSubstr("portal: after its soak, stage applications"),
                    HasSubstr("tcp ::/0 fd77::42 443")));
}

TEST(Explain, OffersTheNearestName) {
  const auto plan = SmallUtility().Planned();
  EXPECT_EQ(Explain(*plan, "biling-engine"),
            "this plan has no system or entry 'biling-engine'; did you mean "
            "'billing-engine'?");
  EXPECT_THAT(Explain(*plan, "mainframe-of-old"),
              HasSubstr("`sluice plan` lists them"));
  EXPECT_THAT(ExplainJson(*plan, std::string(100000, 'x')).status().message(),
              HasSubstr("this plan has no"));
}

TEST(Explain, GivesTheSameToPrograms) {
  const auto plan = SmallUtility().Planned();
  const auto json = nlohmann::json::parse(*ExplainJson(*plan, "portal"));
  EXPECT_EQ(json["stage"], "applications");
  EXPECT_EQ(json["chain"].size(), 5u);
  EXPECT_EQ(json["needs"][0]["step"], "billing-engine");
}

TEST(Foundations, AreEverythingAStepStandsOn) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(
      Strings(FoundationsOf(*plan, StepId("portal"))),
      ElementsAre("billing-db", "billing-engine", "directory", "name-service"));
  EXPECT_THAT(FoundationsOf(*plan, StepId("nobody")), IsEmpty());
  EXPECT_THAT(ChainTo(*plan, StepId("nobody")), IsEmpty());
}

}  // namespace
}  // namespace sluice
