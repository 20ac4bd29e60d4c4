// Drafts from what agents saw, and what a manifest says against it.

#include "orchestrator/importers/observed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/plan.h"

namespace sluice::importers {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const absl::Time kLast = absl::FromUnixSeconds(1'795'000'000);

class Observed : public ::testing::Test {
 protected:
  Observed() {
    seen_.estate = "shop";
    seen_.orchestrators = {"10.1.0.1:7443", "[fd01::1]:7443"};
    seen_.apart = {*Prefix::Parse("10.1.0.1"), *Prefix::Parse("fd01::1")};
    Host("db-1", {"10.1.0.11", "fd01::11"});
    Host("web-1", {"10.1.0.21", "fd01::21"});
  }
  void Host(const std::string& name, const std::vector<std::string>& all) {
    for (const std::string& one : all) {
      seen_.hosts[name].push_back(*Prefix::Parse(one));
    }
    seen_.heard.push_back(name);
  }
  void Listens(const std::string& host, uint16_t port,
               const std::string& command, const std::string& unit = "",
               Protocol protocol = Protocol::kTcp) {
    seen_.listeners.push_back({host, protocol, port, {command, unit, "root"}});
  }
  SeenPeer& Calls(const std::string& host, const std::string& peer,
                  uint16_t port, uint64_t times = 1,
                  const std::string& command = "",
                  const std::string& unit = "") {
    seen_.peers.push_back({host, true, Protocol::kTcp, *Prefix::Parse(peer),
                           port, times, kLast, false, {command, unit, "app"}});
    if (command.empty() && unit.empty()) seen_.peers.back().process = {};
    return seen_.peers.back();
  }
  SeenPeer& CalledBy(const std::string& host, const std::string& peer,
                     uint16_t port, uint64_t times = 1) {
    SeenPeer& seen = Calls(host, peer, port, times);
    seen.outbound = false;
    return seen;
  }
  // The draft; it has to be read and planned without a mistake.
  std::string Draft() {
    const ObservedDraft draft = DraftObserved(seen_);
    ManifestSources sources;
    sources.files.push_back({"draft.yaml", draft.manifest});
    const ManifestResult made = ParseManifest(sources);
    for (const Diagnostic& one : made.diagnostics) {
      if (one.severity == Diagnostic::Severity::kError) {
        ADD_FAILURE() << FormatDiagnostic(made, one, true, false)
                      << draft.manifest;
      }
    }
    if (made.ok()) {
      const auto plan = MakePlan(made.model);
      EXPECT_TRUE(plan.ok()) << plan.status() << "\n" << draft.manifest;
      flows_.clear();
      if (plan.ok()) {
        for (const PlannedGrant& grant : (*plan)->grants) {
          for (const HostFlow& flow : grant.flows) {
            flows_.push_back(flow.flow.Line());
          }
        }
      }
    }
    return draft.manifest;
  }

  SeenEstate seen_;
  std::vector<std::string> flows_;  // that the draft's plan would open
};

TEST_F(Observed, SystemsAreWhatListensAndWhatCalls) {
  Listens("db-1", 5432, "postgres", "postgresql@15-main.service");
  Listens("web-1", 443, "nginx", "nginx.service");
  Calls("web-1", "10.1.0.11", 5432, 412, "app", "shop.service");
  CalledBy("db-1", "10.1.0.21", 5432, 410);
  const std::string text = Draft();
  EXPECT_THAT(text, AllOf(HasSubstr("  postgresql-15-main:\n"),
                          HasSubstr("  nginx:\n"), HasSubstr("  shop:\n"),
                          HasSubstr("# 412 times, last 2026-11-18"),
                          HasSubstr("- postgresql-15-main:postgres")));
  EXPECT_THAT(flows_,
              UnorderedElementsAre("tcp 10.1.0.21 10.1.0.11 5432",
                                   "tcp fd01::21 fd01::11 5432"));
}

TEST_F(Observed, OnlyOneEndIsEnough) {
  Listens("db-1", 5432, "postgres");
  Listens("web-1", 443, "nginx");
  // web-1's agent missed it; its only system is what called.
  CalledBy("db-1", "fd01::21", 5432, 7);
  const std::string text = Draft();
  EXPECT_THAT(text, AllOf(HasSubstr("# 7 times"),
                          HasSubstr("- postgres:postgres")));
  EXPECT_THAT(flows_, SizeIs(2));
}

TEST_F(Observed, OutsideIsNamedByItsAddress) {
  Listens("web-1", 443, "nginx");
  Calls("web-1", "203.0.113.9", 443, 3, "nginx");
  CalledBy("web-1", "198.51.100.10", 443, 20);
  CalledBy("web-1", "198.51.100.11", 443, 1);
  const std::string text = Draft();
  EXPECT_THAT(text,
              AllOf(HasSubstr("outside-203-0-113-9:"),
                    HasSubstr("{external: outside-203-0-113-9, port: 443/tcp}"),
                    HasSubstr("outside-198-51-100-10-and-others:"),
                    HasSubstr("# 21 times")));
  EXPECT_THAT(flows_, UnorderedElementsAre("tcp 10.1.0.21 203.0.113.9 443",
                                           "tcp 198.51.100.10 10.1.0.21 443",
                                           "tcp 198.51.100.11 10.1.0.21 443"));
}

TEST_F(Observed, ManyCallersAreEveryone) {
  Listens("web-1", 443, "nginx");
  for (int i = 1; i < 40; ++i) {
    CalledBy("web-1", absl::StrCat("198.51.100.", i), 443);
  }
  EXPECT_THAT(Draft(), AllOf(HasSubstr("everyone-ipv4:"),
                             HasSubstr("39 addresses came in")));
}

TEST_F(Observed, ManagementAndTheLinkAreLeftOut) {
  Calls("web-1", "10.1.0.1", 7443, 100, "sluice-agent");
  Calls("web-1", "224.0.0.251", 5353, 9, "avahi").protocol = Protocol::kUdp;
  Calls("web-1", "255.255.255.255", 67, 9, "dhclient").protocol =
      Protocol::kUdp;
  Draft();
  EXPECT_THAT(flows_, IsEmpty());
}

TEST_F(Observed, WhereNothingListensIsNoNeed) {
  Listens("db-1", 5432, "postgres");
  Calls("web-1", "10.1.0.11", 22, 900, "scanner");
  const std::string text = Draft();
  EXPECT_THAT(text, AllOf(HasSubstr("web-1 to db-1 22/tcp"),
                          Not(HasSubstr("scanner:"))));
  EXPECT_THAT(flows_, IsEmpty());
  // From a host that never spoke nobody knows what listens.
  seen_.heard = {"web-1"};
  seen_.listeners.clear();
  EXPECT_THAT(Draft(), HasSubstr("Nothing was heard from the agents of: db-1"));
  EXPECT_THAT(flows_, SizeIs(2));
}

TEST_F(Observed, TriedInQuarantineIsSaidAndNeverDeclared) {
  Calls("web-1", "203.0.113.66", 443, 12, "curl").refused = true;
  const std::string text = Draft();
  EXPECT_THAT(text, HasSubstr("not declared below: 203.0.113.66 443/tcp, 12 "
                              "times"));
  EXPECT_THAT(text, Not(HasSubstr("external")));
  EXPECT_THAT(flows_, IsEmpty());
}

TEST_F(Observed, ARingIsAJointGroup) {
  Listens("db-1", 5432, "postgres");
  Listens("web-1", 443, "nginx");
  Calls("web-1", "10.1.0.11", 5432, 1, "nginx");
  Calls("db-1", "10.1.0.21", 443, 1, "postgres");
  EXPECT_THAT(Draft(), HasSubstr("joint:\n  - [nginx, postgres]\n"));
  EXPECT_THAT(flows_, SizeIs(4));
}

TEST_F(Observed, HostsOfAKindAreOneSystemWithPeers) {
  Host("web-2", {"10.1.0.22"});
  Host("hr-1", {"10.1.0.31"});
  for (const char* host : {"web-1", "web-2"}) {
    Listens(host, 443, "nginx", "nginx.service");
    Listens(host, 7946, "nginx", "nginx.service");
  }
  Listens("hr-1", 8080, "nginx", "nginx.service");  // another one
  Calls("web-1", "10.1.0.22", 7946, 5, "nginx", "nginx.service");
  const std::string text = Draft();
  EXPECT_THAT(text, AllOf(HasSubstr("hosts: [web-1, web-2]"),
                          HasSubstr("nginx-hr-1:"), HasSubstr("peers: [")));
}

TEST_F(Observed, NamesAreMadeOfAnythingAProcessSays) {
  Listens("db-1", 5432, "-: #{evil}\n");
  Listens("web-1", 80, "'\"[]", "{{}}.service");
  Calls("web-1", "10.1.0.11", 5432, 1, "x: y");
  Draft();
  EXPECT_THAT(flows_, SizeIs(2));
}

TEST_F(Observed, NothingSeenIsAManifestOfHosts) {
  const std::string text = Draft();
  EXPECT_THAT(text, AllOf(HasSubstr("db-1: {address: [10.1.0.11"),
                          HasSubstr("[\"10.1.0.1:7443\", \"[fd01::1]:7443\"]"),
                          Not(HasSubstr("systems:"))));
}

// ── against a manifest ──────────────────────────────────────────────────────

std::vector<Flow> Flows(const std::vector<std::string>& lines) {
  std::vector<Flow> flows;
  for (const std::string& line : lines) flows.push_back(*Flow::Parse(line));
  return flows;
}

TEST_F(Observed, DiffNamesWhatWasNeverSeenAndWhatNobodyDeclared) {
  Listens("db-1", 5432, "postgres");
  Listens("db-1", 22, "sshd");
  Calls("web-1", "10.1.0.11", 5432, 4, "app");
  Calls("web-1", "10.1.0.11", 22, 2, "ssh");
  Calls("web-1", "203.0.113.9", 443, 1, "app");
  Calls("db-1", "203.0.113.7", 3260, 1, "iscsid");
  const ObservedDiff diff = DiffObserved(
      seen_,
      {{"shop>db:postgres", Flows({"tcp 10.1.0.21 10.1.0.11 5432"})},
       {"shop>db:admin", Flows({"tcp 10.1.0.21 10.1.0.11 5433"})},
       {"shop>banks", Flows({"tcp 10.1.0.21 203.0.113.8/29 443"})}},
      Flows({"tcp 10.1.0.11 203.0.113.7 3260"}));
  EXPECT_THAT(diff.never_seen, ElementsAre("shop>db:admin"));
  ASSERT_THAT(diff.undeclared, SizeIs(1));
  EXPECT_EQ(diff.undeclared[0].server_host, "db-1");
  EXPECT_EQ(diff.undeclared[0].port, 22);
}

TEST_F(Observed, DiffTakesATryInQuarantineForNoUse) {
  Listens("db-1", 5432, "postgres");
  Calls("web-1", "10.1.0.11", 5432, 4, "app").refused = true;
  const ObservedDiff diff = DiffObserved(
      seen_, {{"shop>db:postgres", Flows({"tcp 10.1.0.21 10.1.0.11 5432"})}},
      {});
  EXPECT_THAT(diff.never_seen, SizeIs(1));
  EXPECT_THAT(diff.undeclared, IsEmpty());
}

}  // namespace
}  // namespace sluice::importers
