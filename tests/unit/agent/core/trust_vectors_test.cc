// What a host makes of rotations and delegations that ssh-keygen signed.

#include "tests/vectors/trust_vectors.h"

#include <gtest/gtest.h>

#include "agents/core/authority.h"
#include "agents/core/state.h"
#include "agents/core/trust.h"
#include "common/sshsig.h"

namespace sluice::agent {
namespace {

const SshVerifier kVerifier;

// The host db-1, as its file says, before anything was changed.
Trust Pinned() {
  const Rotation pinned = testing::PinnedTrust();
  Trust trust;
  for (const Rotation::Person& person : pinned.approvers) {
    trust.approvers.push_back(
        {person.id, {person.roles.begin(), person.roles.end()}, person.key});
  }
  trust.quorum = pinned.quorum;
  trust.serial = pinned.serial;
  trust.verifier = &kVerifier;
  return trust;
}

AgentState FreshState() {
  AgentState state;
  state.estate = EstateId("city-utility");
  state.host = HostId("db-1");
  return state;
}

TEST(TrustVectors, AreTakenOrRefusedByAHostAsTheySay) {
  for (const testing::TrustCase& one : testing::TrustCases()) {
    AgentState state = FreshState();
    const auto said = AdmitTrust({one.text(), one.signatures()}, Pinned(),
                                 state, absl::Hours(100));
    EXPECT_EQ(said.ok(), one.agent)
        << one.name << ": " << (said.ok() ? *said : said.status().ToString());
    const bool changed = !state.rotation.empty() || !state.delegations.empty();
    EXPECT_EQ(changed, one.agent) << one.name;
  }
}

TEST(TrustVectors, ThatAreTakenChangeWhomTheHostBelieves) {
  for (const testing::TrustCase& one : testing::TrustCases()) {
    if (!one.agent) continue;
    AgentState state = FreshState();
    ASSERT_TRUE(AdmitTrust({one.text(), one.signatures()}, Pinned(), state,
                           absl::Hours(100))
                    .ok());
    const Trust now = TrustNow(Pinned(), state, absl::Hours(101));
    if (one.purpose == signed_as::kRotation) {
      const std::string next = testing::TrustVector("next.pub");
      EXPECT_EQ(now.Find(OperatorId("commander"))->key,
                SshPublicKey::Parse(next)->Line())
          << one.name;
      EXPECT_EQ(now.serial, 2u) << one.name;
    } else {
      const bool back = one.name == "delegation-taken-back";
      EXPECT_EQ(now.stand_ins.size(), back ? 0u : 1u) << one.name;
    }
    // Once more is no other thing.
    EXPECT_TRUE(AdmitTrust({one.text(), one.signatures()}, Pinned(), state,
                           absl::Hours(101))
                    .ok() ||
                one.purpose == signed_as::kRotation)
        << one.name;
  }
}

}  // namespace
}  // namespace sluice::agent
