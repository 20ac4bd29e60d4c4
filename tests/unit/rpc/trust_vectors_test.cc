// What the orchestrator makes of rotations and delegations that ssh-keygen
// signed: how many signatures are enough is for the hosts to say.

#include "tests/vectors/trust_vectors.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/rpc/requests.h"
#include "orchestrator/runtime/durations.h"
#include "orchestrator/runtime/history.h"
#include "sluice/v1/operator.pb.h"
#include "tests/unit/runtime/fakes.h"

namespace sluice::rpc {
namespace {

std::string Manifest() {
  std::string people;
  for (const Rotation::Person& person : testing::PinnedTrust().approvers) {
    absl::StrAppend(&people, "  ", person.id.str(), ": {roles: [",
                    person.roles[0].str(), "], key: \"", person.key, "\"}\n");
  }
  return absl::StrCat(R"(sluice: 1
estate: city-utility
management: {orchestrators: ["10.9.0.1:7443"], operators: [10.9.0.1]}
approvers:
)",
                      people, R"(hosts:
  db-1: {address: [10.9.0.11]}
  app-1: {address: [10.9.0.12]}
systems:
  database: {category: data, hosts: [db-1], ports: {postgres: 5432/tcp}}
)");
}

TEST(TrustVectors, AreHandedOnOrRefusedByTheOrchestratorAsTheySay) {
  for (const testing::TrustCase& one : testing::TrustCases()) {
    engine::Engine engine;
    const absl::Time now = testing::DelegationsBegin() + absl::Minutes(1);
    engine.Step({1, now, "head"}, runtime::Adopted(Manifest()));
    v1::TrustRequest request;
    request.set_text(one.text());
    for (const std::string& signature : one.signatures()) {
      request.add_signatures(signature);
    }
    const runtime::History history;
    const runtime::Durations durations;
    const std::string none;
    const runtime::Glimpse glimpse{engine, history, now,  1,        none,
                                   none,   1,       none, durations};
    const auto event =
        MakeTrustChange(OperatorId("commander"), request)(glimpse);
    const absl::Status said =
        event.ok() ? engine.Admit(*event, now) : event.status();
    EXPECT_EQ(said.ok(), one.orchestrator) << one.name << ": " << said;
    if (!said.ok()) continue;
    // To a host that it is about, once it comes.
    engine.Step({2, now, "head"}, *event);
    size_t orders = 0;
    for (const char* host : {"db-1", "app-1"}) {
      orders += engine.Outstanding(HostId(host)).size();
    }
    EXPECT_GT(orders, 0u) << one.name;
  }
}

}  // namespace
}  // namespace sluice::rpc
