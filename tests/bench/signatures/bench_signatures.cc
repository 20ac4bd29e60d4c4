// What it costs an agent to judge a release order with five decisions, also
// where some are by deputies under a rotation; by kind of key; and a gate's
// body of 1,000 hosts.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agents/core/authority.h"
#include "agents/core/state.h"
#include "agents/core/trust.h"
#include "common/contract.h"
#include "common/delegation.h"
#include "common/digest.h"
#include "common/rotation.h"
#include "common/sshsig.h"

namespace {

using sluice::OperatorId;
using sluice::ReleaseOrder;
using sluice::RoleId;
using sluice::agent::Decision;
using sluice::agent::Trust;

constexpr int kPeople = 5;
constexpr int kRounds = 200;

ReleaseOrder Order(int hosts) {
  ReleaseOrder order;
  order.estate = sluice::EstateId("city-utility");
  order.stage = sluice::StageId("applications");
  order.quorum = {{RoleId("incident-commander"), kPeople}};
  for (int i = 0; i < hosts; ++i) {
    order.hosts.push_back(
        {.id = sluice::HostId(absl::StrCat("host-", 10'000 + i)),
         .quarantine_number = 1,
         .evidence_digest = sluice::Sha256(absl::StrCat(i)),
         .flows_digest = sluice::Sha256(absl::StrCat("flows ", i))});
  }
  return order;
}

void Measure(int hosts) {
  const sluice::SshVerifier verifier;
  const ReleaseOrder order = Order(hosts);
  const std::string body = order.Body();
  Trust trust{.quorum = order.quorum, .verifier = &verifier};
  std::vector<Decision> decisions;
  for (int i = 0; i < kPeople; ++i) {
    const auto signer = sluice::SshSigner::Make();
    const OperatorId id(absl::StrCat("person-", i));
    trust.approvers.push_back(
        {id, {RoleId("incident-commander")}, signer.public_key().Line()});
    decisions.push_back({id,
                         {},
                         order.Digest(),
                         signer.Sign(sluice::signed_as::kDecision, body)});
  }
  const absl::Time began = absl::Now();
  for (int i = 0; i < kRounds; ++i) {
    SLUICE_CHECK(CheckDecisions(order, decisions, trust).ok());
  }
  const absl::Duration each = (absl::Now() - began) / kRounds;
  std::printf(
      "release order, %4d hosts (%6zu bytes), %d decisions, ed25519  "
      "%.3f ms\n",
      hosts, body.size(), kPeople, absl::ToDoubleMilliseconds(each));
}

// As an agent judges an opening: whom it believes now, worked out of its own
// file, the rotation it took and the delegations it was shown, and then the
// decisions. Of five seats `deputies` are filled by people who stand in.
void MeasureDeputies(int hosts, int deputies) {
  const sluice::SshVerifier verifier;
  ReleaseOrder order = Order(hosts);
  order.quorum = {{RoleId("incident-commander"), kPeople - deputies},
                  {RoleId("system-owner"), deputies}};
  const std::string body = order.Body();
  sluice::Rotation rotation{.estate = order.estate, .serial = 1};
  rotation.hosts = {order.hosts[0].id};
  rotation.quorum = order.quorum;
  sluice::agent::AgentState state;
  state.estate = order.estate;
  state.host = order.hosts[0].id;
  std::vector<Decision> decisions;
  const absl::Time from = absl::FromUnixSeconds(1'795'312'800);
  for (int i = 0; i < kPeople; ++i) {
    const auto signer = sluice::SshSigner::Make();
    const OperatorId id(absl::StrCat("person-", i));
    const bool deputy = i < deputies;
    rotation.approvers.push_back(
        {id,
         {RoleId(deputy ? "security" : "incident-commander")},
         signer.public_key().Line()});
    decisions.push_back({id,
                         {},
                         order.Digest(),
                         signer.Sign(sluice::signed_as::kDecision, body)});
    if (!deputy) continue;
    const OperatorId owner(absl::StrCat("person-owner-", i));
    rotation.approvers.push_back(
        {owner,
         {RoleId("system-owner")},
         sluice::SshSigner::Make().public_key().Line()});
    state.delegations[owner] = {
        sluice::Delegation{.estate = order.estate,
                           .delegator = owner,
                           .deputy = id,
                           .roles = {RoleId("system-owner")},
                           .from = from,
                           .until = from + absl::Hours(8)}
            .Body(),
        absl::Hours(1), sluice::Sha256(rotation.approvers.back().key)};
  }
  std::sort(rotation.approvers.begin(), rotation.approvers.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  state.rotation = rotation.Body();
  const Trust own{.verifier = &verifier};
  const absl::Time began = absl::Now();
  for (int i = 0; i < kRounds; ++i) {
    const Trust trust = TrustNow(own, state, absl::Hours(2));
    SLUICE_CHECK(CheckDecisions(order, decisions, trust).ok());
  }
  const absl::Duration each = (absl::Now() - began) / kRounds;
  std::printf(
      "release order, %4d hosts, %d decisions, %d by deputies, after a "
      "rotation "
      " %.3f ms\n",
      hosts, kPeople, deputies, absl::ToDoubleMilliseconds(each));
}

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void MeasureKind(const std::string& folder, const char* name) {
  const std::string key = Read(absl::StrCat(folder, "/", name, ".pub"));
  const std::string body = Read(absl::StrCat(folder, "/body"));
  const std::string signature = Read(absl::StrCat(folder, "/", name, ".sig"));
  const sluice::SshVerifier verifier;
  const absl::Time began = absl::Now();
  for (int i = 0; i < kRounds; ++i) {
    SLUICE_CHECK(
        verifier.Verify(key, sluice::signed_as::kDecision, body, signature)
            .ok());
  }
  const absl::Duration each = (absl::Now() - began) / kRounds;
  std::printf("one signature, %-11s %.3f ms\n", name,
              absl::ToDoubleMilliseconds(each));
}

}  // namespace

// bench-signatures FOLDER: FOLDER is tests/vectors/sshsig.
int main(int argc, char** argv) {
  for (const int hosts : {1, 25, 1000}) Measure(hosts);
  for (const int hosts : {1, 25, 1000}) MeasureDeputies(hosts, 3);
  if (argc < 2) return 0;
  for (const char* name :
       {"ed25519", "ecdsa", "rsa", "sk-ed25519", "sk-ecdsa"}) {
    MeasureKind(argv[1], name);
  }
  return 0;
}
