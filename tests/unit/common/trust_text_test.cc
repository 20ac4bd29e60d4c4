// Rotations and delegations have one form each: what Body() writes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/break_glass.h"
#include "common/delegation.h"
#include "common/rotation.h"
#include "common/sshsig.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

Rotation MakeRotation() {
  static const std::string key = SshSigner::Make().public_key().Line();
  static const std::string other = SshSigner::Make().public_key().Line();
  static const std::string third = SshSigner::Make().public_key().Line();
  Rotation rotation{.estate = EstateId("city-utility"), .serial = 2};
  rotation.hosts = {HostId("app-1"), HostId("db-1")};
  rotation.approvers = {
      {OperatorId("owner"), {RoleId("system-owner")}, key},
      {OperatorId("zoe"), {RoleId("commander"), RoleId("security")}, other},
      {OperatorId("zz"), {RoleId("security")}, third}};
  rotation.quorum = {{RoleId("commander"), 1}};
  rotation.stages[StageId("outside")] = {{RoleId("security"), 1},
                                         {RoleId("system-owner"), 1}};
  return rotation;
}

TEST(RotationText, IsReadAsItIsWritten) {
  const Rotation rotation = MakeRotation();
  const auto read = Rotation::Parse(rotation.Body());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, rotation);
  EXPECT_TRUE(read->Names(HostId("db-1")));
  EXPECT_FALSE(read->Names(HostId("db-2")));
}

TEST(RotationText, IsRefusedInAnyOtherForm) {
  const std::string body = MakeRotation().Body();
  for (size_t i = 0; i <= body.size(); ++i) {
    // Without the last line it is another rotation, and has to be signed so.
    if (i < body.rfind("quorum-at")) {
      EXPECT_FALSE(Rotation::Parse(body.substr(0, i)).ok()) << i;
    }
    std::string more = body;
    more.insert(i, "\n");
    EXPECT_FALSE(Rotation::Parse(more).ok()) << i;
  }
  EXPECT_FALSE(Rotation::Parse(std::string(2 << 20, 'x')).ok());
}

TEST(RotationText, IsRefusedWhenItsMinimumCanNeverBeMet) {
  Rotation rotation = MakeRotation();
  rotation.quorum[RoleId("commander")] = 2;
  EXPECT_THAT(Rotation::Parse(rotation.Body()).status().message(),
              HasSubstr("wants 2 commander and names 1"));
  rotation = MakeRotation();
  rotation.approvers[1].key = rotation.approvers[0].key;
  rotation.approvers[0].roles = {RoleId("commander")};
  rotation.quorum[RoleId("commander")] = 2;  // two names, one key
  EXPECT_FALSE(Rotation::Parse(rotation.Body()).ok());
  rotation = MakeRotation();  // one person for two seats, by two roles
  rotation.approvers = {rotation.approvers[1]};
  rotation.quorum = {{RoleId("commander"), 1}, {RoleId("security"), 1}};
  rotation.stages.clear();
  EXPECT_THAT(Rotation::Parse(rotation.Body()).status().message(),
              HasSubstr("cannot fill all of these at once"));
  rotation.quorum = {{RoleId("commander"), 1}};
  EXPECT_TRUE(Rotation::Parse(rotation.Body()).ok());
  rotation.stages[StageId("outside")] = {{RoleId("security"), 1}};
  EXPECT_FALSE(Rotation::Parse(rotation.Body()).ok());
  rotation = MakeRotation();
  rotation.quorum.clear();
  EXPECT_THAT(Rotation::Parse(rotation.Body()).status().message(),
              HasSubstr("protects nothing"));
  rotation = MakeRotation();
  rotation.serial = 0;
  EXPECT_FALSE(Rotation::Parse(rotation.Body()).ok());
  rotation = MakeRotation();
  rotation.approvers[0].key = "ssh-dss AAAA";
  EXPECT_FALSE(Rotation::Parse(rotation.Body()).ok());
}

Delegation MakeDelegation() {
  return {.estate = EstateId("city-utility"),
          .delegator = OperatorId("owner"),
          .deputy = OperatorId("zoe"),
          .roles = {RoleId("security"), RoleId("system-owner")},
          .from = absl::FromUnixSeconds(1'795'313'000),
          .until = absl::FromUnixSeconds(1'795'313'600)};
}

TEST(DelegationText, IsReadAsItIsWrittenAndInNoOtherForm) {
  const Delegation delegation = MakeDelegation();
  const std::string body = delegation.Body();
  const auto read = Delegation::Parse(body);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, delegation);
  EXPECT_EQ(read->length(), absl::Minutes(10));
  for (size_t i = 0; i < body.size(); ++i) {
    EXPECT_FALSE(Delegation::Parse(body.substr(0, i)).ok()) << i;
    std::string more = body;
    more.insert(i, " ");
    // A space within a name is another name; none elsewhere is one form.
    const auto other = Delegation::Parse(more);
    EXPECT_TRUE(!other.ok() || other->Body() == more) << i;
  }
}

TEST(DelegationText, SaysWhetherTasksAreMeantToo) {
  Delegation delegation = MakeDelegation();
  EXPECT_FALSE(Delegation::Parse(delegation.Body())->tasks);
  delegation.tasks = true;
  const std::string body = delegation.Body();
  const auto read = Delegation::Parse(body);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, delegation);
  std::string no = body;
  no.replace(no.find("tasks yes"), 9, "tasks no");
  EXPECT_FALSE(Delegation::Parse(no).ok());
}

TEST(DelegationText, EndsAfterItBeginsAndNamesTwoPeople) {
  Delegation delegation = MakeDelegation();
  delegation.until = delegation.from;
  EXPECT_FALSE(Delegation::Parse(delegation.Body()).ok());
  delegation.until = delegation.from + kLongestDelegation + absl::Seconds(1);
  EXPECT_FALSE(Delegation::Parse(delegation.Body()).ok());
  delegation = MakeDelegation();
  delegation.deputy = delegation.delegator;
  EXPECT_FALSE(Delegation::Parse(delegation.Body()).ok());
  delegation = MakeDelegation();
  delegation.roles.clear();  // taken back
  EXPECT_TRUE(Delegation::Parse(delegation.Body()).ok());
}

BreakGlass MakeGlass() {
  BreakGlass glass;
  glass.estate = EstateId("city-utility");
  glass.host = HostId("db-1");
  glass.quarantine_number = 4;
  glass.boot = "0d6f";
  glass.drafted_seconds = 81244;
  glass.reason = "the orchestrator burnt";
  return glass;
}

TEST(BreakGlassText, IsReadAsItIsWritten) {
  BreakGlass glass = MakeGlass();
  EXPECT_EQ(glass.What(), "everything");
  for (int i = 0; i < 2; ++i) {
    const auto read = BreakGlass::Parse(glass.Body());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, glass);
    glass.flows = {*Flow::Parse("tcp 10.77.0.21 10.77.0.11 5432"),
                   *Flow::Parse("tcp 10.77.0.22 10.77.0.11 5432")};
  }
  EXPECT_EQ(glass.What(), "2 flows");
}

TEST(BreakGlassText, IsRefusedInAnyOtherForm) {
  BreakGlass glass = MakeGlass();
  const std::string body = glass.Body();
  for (size_t i = 0; i <= body.size(); ++i) {
    if (i < body.size()) {
      EXPECT_FALSE(BreakGlass::Parse(body.substr(0, i)).ok()) << i;
    }
    std::string more = body;
    more.insert(i, "\n");
    EXPECT_FALSE(BreakGlass::Parse(more).ok()) << i;
  }
  // Flows and everything at once.
  EXPECT_FALSE(BreakGlass::Parse(body + "flow tcp 10.0.0.1 10.0.0.2 1\n").ok());
  EXPECT_FALSE(BreakGlass::Parse(std::string(70 << 10, 'x')).ok());
}

TEST(BreakGlassText, HasAReasonAndAnEnd) {
  BreakGlass glass = MakeGlass();
  for (const std::string& reason :
       {std::string(), std::string(" "), std::string(401, 'x')}) {
    glass.reason = reason;
    EXPECT_THAT(BreakGlass::Parse(glass.Body()).status().message(),
                HasSubstr("reason"));
  }
  glass = MakeGlass();
  for (const int64_t seconds : {int64_t{0}, BreakGlass::kLongestValid + 1}) {
    glass.valid_seconds = seconds;
    EXPECT_FALSE(BreakGlass::Parse(glass.Body()).ok()) << seconds;
  }
}

}  // namespace
}  // namespace sluice
