#include "agents/isolation/memory_fence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Flow F(const std::string& line) { return Flow::Parse(line).value(); }

class MemoryFenceTest : public ::testing::Test {
 protected:
  FenceReading Quarantine(FenceRules rules = {}) {
    return fence_.Replace(rules).value();
  }

  absl::Time now_ = absl::UnixEpoch();
  MemoryFence fence_{[this] { return now_; }};
  const Flow ldap_ = F("tcp 10.0.0.1 10.0.0.2 389");
  const Flow dns_ = F("udp 10.0.0.1 10.0.0.2 53");
};

TEST_F(MemoryFenceTest, IsOpenUntilPutUp) {
  EXPECT_EQ(fence_.Read().value().mode, Mode::kOpen);
  EXPECT_TRUE(fence_.Admits(ldap_));
  const absl::Status status =
      fence_.Open("d", absl::Seconds(9), {ldap_}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("isolate it first"));
}

TEST_F(MemoryFenceTest, AdmitsOnlyWhatItWasGiven) {
  FenceRules rules;
  rules.management = {F("tcp 10.0.0.2 10.0.0.9 7443")};
  rules.vital = {F("tcp 10.0.0.2 10.0.0.7 3260")};
  rules.standing = {F("tcp 10.0.0.0/24 10.0.0.2 80-90")};
  Quarantine(rules);
  EXPECT_TRUE(fence_.Admits(rules.management[0]));
  EXPECT_TRUE(fence_.Admits(rules.vital[0]));
  EXPECT_TRUE(fence_.Admits(F("tcp 10.0.0.5 10.0.0.2 85")));
  EXPECT_FALSE(fence_.Admits(F("tcp 10.0.0.5 10.0.0.2 91")));
  EXPECT_FALSE(fence_.Admits(F("tcp 10.0.1.5 10.0.0.2 85")));
}

TEST_F(MemoryFenceTest, ClosesALeaseByItself) {
  Quarantine();
  ASSERT_TRUE(fence_.Open("d", absl::Seconds(60), {ldap_}).ok());
  now_ += absl::Seconds(59);
  EXPECT_TRUE(fence_.Admits(ldap_));
  now_ += absl::Seconds(1);
  EXPECT_FALSE(fence_.Admits(ldap_));
  const FenceReading reading = fence_.Read().value();
  ASSERT_EQ(reading.releases.size(), 1u);
  EXPECT_EQ(reading.releases[0].remaining, absl::ZeroDuration());
  EXPECT_THAT(reading.releases[0].flows, ElementsAre(ldap_));
}

TEST_F(MemoryFenceTest, RenewsWhatLivesAndNamesWhatDoesNot) {
  Quarantine();
  ASSERT_TRUE(fence_.Open("old", absl::Seconds(10), {ldap_}).ok());
  now_ += absl::Seconds(10);
  ASSERT_TRUE(fence_.Open("new", absl::Seconds(10), {dns_}).ok());
  now_ += absl::Seconds(9);
  const absl::Status status =
      fence_.Renew({{"new", absl::Seconds(30)}, {"old", absl::Seconds(30)}});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("release old"));
  now_ += absl::Seconds(20);
  EXPECT_TRUE(fence_.Admits(dns_));
  EXPECT_FALSE(fence_.Admits(ldap_));
}

TEST_F(MemoryFenceTest, ReopensOnlyWhatIsAskedForAfterALeaseRanOut) {
  Quarantine();
  ASSERT_TRUE(fence_.Open("d", absl::Seconds(10), {ldap_, dns_}).ok());
  now_ += absl::Seconds(11);
  ASSERT_TRUE(fence_.Open("d", absl::Seconds(10), {dns_}).ok());
  EXPECT_TRUE(fence_.Admits(dns_));
  EXPECT_FALSE(fence_.Admits(ldap_));
}

TEST_F(MemoryFenceTest, ConfirmsWhatIsLeasedAndNothingElse) {
  Quarantine();
  ASSERT_TRUE(fence_.Open("d", absl::Seconds(10), {ldap_}).ok());
  EXPECT_EQ(fence_.Confirm("d", {dns_}).status().code(),
            absl::StatusCode::kNotFound);
  const FenceReading reading = fence_.Confirm("d", {ldap_}).value();
  EXPECT_THAT(reading.standing, ElementsAre(ldap_));
  EXPECT_THAT(reading.releases, IsEmpty());
  EXPECT_TRUE(fence_.Confirm("d", {ldap_}).ok());  // a repeat
  now_ += absl::Hours(99);
  EXPECT_TRUE(fence_.Admits(ldap_));
}

TEST_F(MemoryFenceTest, RefusesToConfirmWhatRanOut) {
  Quarantine();
  ASSERT_TRUE(fence_.Open("d", absl::Seconds(10), {ldap_}).ok());
  now_ += absl::Seconds(10);
  EXPECT_EQ(fence_.Confirm("d", {ldap_}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(fence_.Admits(ldap_));
}

// A release whose flows all stand by another is not renewed: it needs no lease.
TEST_F(MemoryFenceTest, ConfirmsWhatStandsByAnotherReleaseWithoutALease) {
  Quarantine();
  ASSERT_TRUE(fence_.Open("a", absl::Seconds(10), {ldap_}).ok());
  ASSERT_TRUE(fence_.Confirm("a", {ldap_}).ok());
  ASSERT_TRUE(fence_.Open("b", absl::Seconds(10), {ldap_, dns_}).ok());
  now_ += absl::Seconds(10);
  EXPECT_EQ(fence_.Confirm("b", {ldap_, dns_}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const FenceReading reading = fence_.Confirm("b", {ldap_}).value();
  EXPECT_THAT(reading.standing, ElementsAre(ldap_));
  EXPECT_FALSE(fence_.Admits(dns_));
}

TEST_F(MemoryFenceTest, KeepsAFlowThatAnotherReleaseWants) {
  Quarantine();
  ASSERT_TRUE(fence_.Open("a", absl::Seconds(10), {ldap_}).ok());
  ASSERT_TRUE(fence_.Open("b", absl::Seconds(10), {ldap_}).ok());
  ASSERT_TRUE(fence_.Remove("a", {ldap_}).ok());
  EXPECT_TRUE(fence_.Admits(ldap_));
  ASSERT_TRUE(fence_.Remove("", {ldap_}).ok());
  EXPECT_FALSE(fence_.Admits(ldap_));
}

TEST_F(MemoryFenceTest, KeepsItsDigestThroughLeasesOnly) {
  const std::string before = Quarantine().rules_digest;
  EXPECT_EQ(fence_.Open("d", absl::Seconds(10), {ldap_}).value().rules_digest,
            before);
  EXPECT_NE(fence_.Confirm("d", {ldap_}).value().rules_digest, before);
}

TEST_F(MemoryFenceTest, ForgetsAllLeasesWhenReplaced) {
  Quarantine();
  ASSERT_TRUE(fence_.Open("d", absl::Seconds(10), {ldap_}).ok());
  EXPECT_THAT(Quarantine().releases, IsEmpty());
  EXPECT_FALSE(fence_.Admits(ldap_));
}

}  // namespace
}  // namespace sluice::agent
