// `validate --agent`: what a host pins otherwise than the manifest says is
// found at the desk, not when the host refuses at the gate.

#include "orchestrator/cli/pinned.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/cli/fake_operator.h"
#include "tests/unit/cli/honest_gate.h"

namespace sluice::cli {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Differences(const std::string& agent_yaml) {
  const TempDir dir;
  std::ofstream(dir / "agent.yaml") << agent_yaml;
  const auto found = PinnedDifferences(*HonestGate().plan, dir / "agent.yaml");
  EXPECT_TRUE(found.ok()) << found.status();
  return found.ok() ? *found : std::vector<std::string>();
}

constexpr char kPeople[] =
    "host: app-1\napprovers:\n"
    "  duty-commander: {roles: [incident-commander], key: ''}\n"
    "  billing-owner: {roles: [system-owner], key: ''}\n";

TEST(Pinned, AMinimumThatEveryGateAsksIsNoDifference) {
  EXPECT_THAT(Differences(std::string(kPeople) +
                          "quorum: {incident-commander: 1}\n"
                          "quorum-at: {applications: {system-owner: 1}}\n"),
              IsEmpty());
}

TEST(Pinned, NamesEachGateThatAsksForFewerThanTheHostWants) {
  const auto found = Differences(std::string(kPeople) +
                                 "quorum: {system-owner: 1}\n"
                                 "quorum-at:\n"
                                 "  applications: {incident-commander: 2}\n"
                                 "  nowhere: {system-owner: 1}\n");
  EXPECT_EQ(found.size(), 3u);
  EXPECT_THAT(found, Contains(HasSubstr("app-1 wants 1 system-owner at gate "
                                        "data, which asks for 0")));
  EXPECT_THAT(found, Contains(HasSubstr("wants 2 incident-commander at gate "
                                        "applications, which asks for 1")));
  EXPECT_THAT(found, Contains(HasSubstr("stage nowhere")));
}

TEST(Pinned, NamesOtherPeopleRolesAndKeys) {
  const auto found = Differences(
      "host: app-1\napprovers:\n"
      "  duty-commander: {roles: [security], key: 'another'}\n"
      "  stranger: {roles: [system-owner], key: ''}\n");
  EXPECT_THAT(found, Contains(HasSubstr("does not know billing-owner")));
  EXPECT_THAT(found, Contains(HasSubstr("another key for duty-commander")));
  EXPECT_THAT(found, Contains(HasSubstr("the roles security, the manifest")));
  EXPECT_THAT(found, Contains(HasSubstr("believes stranger")));
  EXPECT_THAT(Differences("host: web-9\n"),
              Contains(HasSubstr("web-9 is no host")));
}

TEST(Pinned, NamesWhatTheHostDoesNotList) {
  HonestGate gate;
  Plan plan = *gate.plan;
  for (PlannedStep& step : plan.steps) {
    step.start_unit = "engine.service";
    PlannedCheck check;
    check.spec = {.kind = "plugin", .args = {{"name", "check_pgsql"}}};
    step.health.push_back(check);
  }
  const TempDir dir;
  std::ofstream(dir / "agent.yaml") << kPeople << "quorum: {}\n";
  auto found = PinnedDifferences(plan, dir / "agent.yaml");
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(*found, Contains(HasSubstr("unit 'engine.service'")));
  EXPECT_THAT(*found, Contains(HasSubstr("plugin 'check_pgsql'")));
  std::ofstream(dir / "agent.yaml")
      << kPeople << "quorum: {}\nunits: {engine.service: {}}\n"
      << "plugins: {check_pgsql: {command: [/x]}}\n";
  found = PinnedDifferences(plan, dir / "agent.yaml");
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(*found, IsEmpty());
}

}  // namespace
}  // namespace sluice::cli
