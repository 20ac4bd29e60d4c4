#include "common/release_order.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "common/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

ReleaseOrder Sample() {
  ReleaseOrder order;
  order.estate = EstateId("city-utility");
  order.run = RunId("2026-11-21-1");
  order.plan_digest = Sha256("plan");
  order.stage = StageId("applications");
  order.stage_digest = Sha256("stage");
  order.round = 2;
  order.started_by = OperatorId("duty-commander");
  order.quorum = {{RoleId("incident-commander"), 1},
                  {RoleId("system-owner"), 2}};
  order.no_self_approval = true;
  order.journal_head = Sha256("head");
  order.valid_seconds = 1800;
  order.confirm = ConfirmRule::kByDecision;
  order.steps = {StepId("billing-engine"),
                 StepId("citizens>customer-portal:https")};
  order.hosts = {
      {HostId("app-1"), 3, Sha256("e1"), Sha256("f1"), 60, 300},
      {HostId("app-2"), 18446744073ull, Sha256("e2"), Sha256("f2"), 10, 0}};
  return order;
}

std::string Refusal(const std::string& body) {
  const auto order = ReleaseOrder::Parse(body);
  return order.ok() ? "" : std::string(order.status().message());
}

std::string Changed(const std::string& from, const std::string& to) {
  const std::string body = Sample().Body();
  const std::string changed = absl::StrReplaceAll(body, {{from, to}});
  EXPECT_NE(changed, body) << from;
  return changed;
}

TEST(ReleaseOrder, ReadsBackWhatItWrites) {
  const ReleaseOrder order = Sample();
  const auto read = ReleaseOrder::Parse(order.Body());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, order);
  EXPECT_EQ(read->Body(), order.Body());
  EXPECT_EQ(read->Digest(), Sha256(order.Body()));
}

TEST(ReleaseOrder, ReadsBackTheSmallestOne) {
  ReleaseOrder order;
  order.estate = EstateId("e");
  const auto read = ReleaseOrder::Parse(order.Body());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, order);
}

TEST(ReleaseOrder, FindsAHostsLine) {
  const ReleaseOrder order = Sample();
  ASSERT_NE(order.Find(HostId("app-2")), nullptr);
  EXPECT_EQ(order.Find(HostId("app-2"))->lease_seconds, 10);
  EXPECT_EQ(order.Find(HostId("app-3")), nullptr);
}

TEST(ReleaseOrder, HasOneFormOnly) {
  EXPECT_NE(Refusal(Changed("round 2", "round 02")), "");
  EXPECT_NE(Refusal(Changed("round 2", "round +2")), "");
  EXPECT_NE(Refusal(Changed("yes", "Yes")), "");
  EXPECT_NE(Refusal(Changed("by-decision", "whenever")), "");
  EXPECT_NE(Refusal(Changed("\n", "\r\n")), "");
  EXPECT_NE(Refusal(Changed("quarantine=3", "quarantine= 3")), "");
  EXPECT_NE(Refusal(Changed("lease=60 soak=300", "soak=300 lease=60")), "");
  EXPECT_NE(Refusal(Changed("incident-commander=1 system-owner=2",
                            "system-owner=2 incident-commander=1")),
            "");
  EXPECT_NE(Refusal(Sample().Body() + "\n"), "");
  EXPECT_NE(Refusal(Sample().Body() + "extra\n"), "");
  const std::string body = Sample().Body();
  EXPECT_NE(Refusal(body.substr(0, body.size() - 1)), "");
}

TEST(ReleaseOrder, RefusesEveryTruncation) {
  const std::string body = Sample().Body();
  for (size_t size = 0; size < body.size(); ++size) {
    const auto order = ReleaseOrder::Parse(body.substr(0, size));
    // A body cut after a whole step or host line is another order, never the
    // same one.
    if (!order.ok()) continue;
    EXPECT_NE(order->Digest(), Sample().Digest());
  }
}

TEST(ReleaseOrder, RefusesUnsortedAndRepeatedLines) {
  EXPECT_THAT(Refusal(Changed("step billing-engine", "step zebra")),
              HasSubstr("steps are sorted"));
  EXPECT_THAT(Refusal(Changed("host app-2", "host app-1")),
              HasSubstr("hosts are sorted"));
}

TEST(ReleaseOrder, RefusesNumbersThatOverflow) {
  EXPECT_THAT(Refusal(Changed("valid-seconds 1800",
                              "valid-seconds 99999999999999999999")),
              HasSubstr("whole number"));
  EXPECT_THAT(Refusal(Changed("valid-seconds 1800", "valid-seconds -1")),
              HasSubstr("whole number"));
  // 2^32 + 2 must not pose as round 2.
  EXPECT_NE(Refusal(Changed("round 2", "round 4294967298")), "");
}

TEST(ReleaseOrder, RefusesOtherVersionsAndSays) {
  EXPECT_THAT(Refusal(Changed("order 1", "order 2")),
              HasSubstr("version '2' is not known here"));
}

TEST(ReleaseOrder, SaysWhichLineIsWrong) {
  EXPECT_THAT(Refusal(Changed("journal-head", "journal-tail")),
              HasSubstr("line 11: it should begin with 'journal-head '"));
}

TEST(ReleaseOrder, RefusesEvidenceThatIsNoDigest) {
  EXPECT_THAT(Refusal(Changed("evidence=sha256:", "evidence=sha1:")),
              HasSubstr("are digests"));
}

TEST(ReleaseOrder, RefusesTextsOverOneMebibyte) {
  const std::string huge((1 << 20) + 1, 'x');
  EXPECT_THAT(Refusal(huge), HasSubstr("1 MiB"));
}

TEST(ReleaseOrder, ChangesItsDigestWithEveryFact) {
  const std::string digest = Sample().Digest();
  ReleaseOrder order = Sample();
  order.hosts[0].quarantine_number = 4;
  EXPECT_NE(order.Digest(), digest);
  order = Sample();
  order.no_self_approval = false;
  EXPECT_NE(order.Digest(), digest);
  order = Sample();
  order.steps.pop_back();
  EXPECT_NE(order.Digest(), digest);
}

}  // namespace
}  // namespace sluice
