#include "orchestrator/planner/callable.h"
#include "orchestrator/planner/plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/planner/estate.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using testing::Estate;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Lines;
using testing::SmallUtility;
using testing::Strings;

std::vector<std::string> NeedWords(const PlannedStep& step) {
  std::vector<std::string> words;
  for (const StepNeed& need : step.needs) {
    words.push_back(need.step.str() +
                    (need.strength == Strength::kHard ? " hard" : " soft") +
                    (need.soaked ? " soaked" : ""));
  }
  return words;
}

std::vector<std::string> StageWords(const Plan& plan) {
  std::vector<std::string> words;
  for (const PlannedStage& stage : plan.stages) {
    std::string text = stage.id.str() + ":";
    for (const StepId& step : stage.steps) text += " " + step.str();
    words.push_back(text);
  }
  return words;
}

TEST(Grants, JoinEveryClientHostToEveryServerHostInBothFamilies) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(
      Lines(*plan->FindGrant(GrantId("billing-engine>billing-db:postgres"))),
      ElementsAre("app-1>db-1: tcp 10.77.0.31 10.77.0.21 5432",
                  "app-1>db-1: tcp fd77::31 fd77::21 5432",
                  "app-2>db-1: tcp 10.77.0.32 10.77.0.21 5432",
                  "app-2>db-1: tcp fd77::32 fd77::21 5432"));
}

TEST(Grants, HaveAFlowForEachRangeOfThePort) {
  Estate estate = SmallUtility();
  estate.Get("directory").ports[0].ranges =
      testing::Ranges("389/tcp,53/udp,49152-65535/tcp");
  estate.Get("billing-engine").hosts = {HostId("app-1")};
  estate.model.hosts[3].addresses = {testing::Range("10.77.0.31")};
  const auto plan = estate.Planned();
  EXPECT_THAT(Lines(*plan->FindGrant(GrantId("billing-engine>directory:ldap"))),
              ElementsAre("app-1>dir-1: tcp 10.77.0.31 10.77.0.11 389",
                          "app-1>dir-1: tcp 10.77.0.31 10.77.0.11 49152-65535",
                          "app-1>dir-1: udp 10.77.0.31 10.77.0.11 53"));
}

TEST(Grants, ToAnExternalNameOnlyTheClientsHost) {
  const auto plan = SmallUtility().Planned();
  const PlannedGrant& grant =
      *plan->FindGrant(GrantId("billing-engine>banks:443/tcp"));
  EXPECT_EQ(grant.server_external, ExternalId("banks"));
  EXPECT_THAT(Lines(grant),
              ElementsAre("app-1>: tcp 10.77.0.31 203.0.113.0/24 443",
                          "app-2>: tcp 10.77.0.32 203.0.113.0/24 443"));
}

TEST(Grants, FromAnExternalNameOnlyTheServersHost) {
  const auto plan = SmallUtility().Planned();
  const PlannedGrant& grant =
      *plan->FindGrant(GrantId("citizens>portal:https"));
  EXPECT_EQ(grant.client_external, ExternalId("citizens"));
  EXPECT_TRUE(grant.client_system.empty());
  EXPECT_THAT(Lines(grant), ElementsAre(">web-1: tcp 0.0.0.0/0 10.77.0.42 443",
                                        ">web-1: tcp ::/0 fd77::42 443"));
}

TEST(Grants, OfOverlappingExternalsStayApart) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(Lines(*plan->FindGrant(GrantId("pilot-office>portal:https"))),
              ElementsAre(">web-1: tcp 10.90.3.0/24 10.77.0.42 443"));
  const auto flows = plan->FlowsOn(
      HostId("web-1"),
      {StepId("citizens>portal:https"), StepId("pilot-office>portal:https")});
  EXPECT_EQ(flows.size(), 2u);
}

TEST(Grants, InsideOneHostNeedNoFlow) {
  Estate estate = SmallUtility();
  estate.Get("billing-engine").hosts = {HostId("app-1"), HostId("db-1")};
  const auto plan = estate.Planned();
  EXPECT_THAT(
      Lines(*plan->FindGrant(GrantId("billing-engine>billing-db:postgres"))),
      ElementsAre("app-1>db-1: tcp 10.77.0.31 10.77.0.21 5432",
                  "app-1>db-1: tcp fd77::31 fd77::21 5432"));
}

TEST(Grants, OfPeersJoinASystemsOwnHosts) {
  Estate estate = SmallUtility();
  estate.Get("billing-engine").peers = {PortId("http")};
  for (Host& host : estate.model.hosts) host.addresses.resize(1);
  const auto plan = estate.Planned();
  const PlannedGrant& grant =
      *plan->FindGrant(GrantId("billing-engine>billing-engine:http"));
  EXPECT_EQ(grant.client_system, grant.server_system);
  EXPECT_THAT(Lines(grant),
              ElementsAre("app-1>app-2: tcp 10.77.0.31 10.77.0.32 8080",
                          "app-2>app-1: tcp 10.77.0.32 10.77.0.31 8080"));
  EXPECT_THAT(NeedWords(*plan->FindStep(StepId("billing-engine"))),
              ElementsAre("billing-db hard", "directory hard"));
}

TEST(Grants, BetweenFamiliesAreRefused) {
  Estate estate = SmallUtility();
  estate.model.hosts[2].addresses = {testing::Range("fd77::21")};
  estate.model.hosts[3].addresses = {testing::Range("10.77.0.31")};
  EXPECT_THAT(estate.Refusal(),
              HasSubstr("host 'app-1' has no address of a family"));
}

TEST(Grants, NeedingTheSamePortTwiceIsNeedingItOnce) {
  Estate estate = SmallUtility();
  estate.Needs("billing-db", "directory:ldap");
  const auto plan = estate.Planned();
  EXPECT_EQ(plan->FindGrant(GrantId("billing-db>directory:ldap"))->strength,
            Strength::kHard);
  EXPECT_EQ(plan->FindStep(StepId("billing-db"))->grants.size(), 2u);
}

TEST(Grants, RefuseASystemThatHasAnExternalsName) {
  Estate estate = SmallUtility();
  estate.AddSystem("citizens", {"app-1"});
  estate.Needs("citizens", "portal:https");
  EXPECT_THAT(estate.Refusal(), HasSubstr("share a name"));
}

TEST(Grants, PassTheBarriersBetweenTheirEnds) {
  Estate estate = SmallUtility();
  for (Host& host : estate.model.hosts) host.addresses.resize(1);
  estate.AddHost("fw-1", {"10.77.0.2"});
  estate.AddHost("fw-2", {"10.77.0.3"});
  for (Host& host : estate.model.hosts) {
    if (host.id.str() == "db-1") host.behind = {HostId("fw-1")};
    if (host.id.str() == "app-1") host.behind = {HostId("fw-1")};
    if (host.id.str() == "web-1") host.behind = {HostId("fw-2")};
  }
  for (External& external : estate.model.externals) {
    if (external.id.str() == "citizens") external.behind = {HostId("fw-1")};
  }
  const auto plan = estate.Planned();
  const auto through = [&](const char* grant) {
    std::vector<std::string> words;
    for (const HostFlow& flow : plan->FindGrant(GrantId(grant))->flows) {
      std::string text = flow.client.str() + ">" + flow.server.str();
      for (const HostId& host : flow.through) text += " " + host.str();
      words.push_back(text);
    }
    return words;
  };
  EXPECT_THAT(through("billing-engine>billing-db:postgres"),
              ElementsAre("app-1>db-1", "app-2>db-1 fw-1"));
  EXPECT_THAT(through("portal>billing-engine:http"),
              ElementsAre("web-1>app-1 fw-1 fw-2", "web-1>app-2 fw-2"));
  EXPECT_THAT(through("citizens>portal:https"),
              ElementsAre(">web-1 fw-1 fw-2"));
  EXPECT_EQ(plan->FlowsOn(HostId("fw-2"), {StepId("portal")}).size(), 1u);
  EXPECT_THAT(Strings(plan->HostsOf({StepId("citizens>portal:https")})),
              ElementsAre("fw-1", "fw-2", "web-1"));
  // The agents behind a barrier keep their way to the orchestrator.
  std::vector<std::string> vital;
  for (const Flow& flow : plan->FindHost(HostId("fw-1"))->vital) {
    vital.push_back(flow.Line());
  }
  EXPECT_THAT(vital, ElementsAre("tcp 10.77.0.21 10.77.0.1 7443",
                                 "tcp 10.77.0.31 10.77.0.1 7443"));
}

TEST(Grants, NeverJoinASharedAddressToItself) {
  Estate estate = SmallUtility();
  for (Host& host : estate.model.hosts) {
    host.addresses.resize(1);
    if (host.id.str() == "app-1" || host.id.str() == "app-2") {
      host.addresses.push_back(testing::Range("10.77.0.30"));
    }
  }
  estate.Get("billing-engine").peers = {PortId("http")};
  const auto plan = estate.Planned();
  EXPECT_THAT(
      Lines(*plan->FindGrant(GrantId("billing-engine>billing-engine:http"))),
      ElementsAre("app-1>app-2: tcp 10.77.0.30 10.77.0.32 8080",
                  "app-1>app-2: tcp 10.77.0.31 10.77.0.30 8080",
                  "app-1>app-2: tcp 10.77.0.31 10.77.0.32 8080",
                  "app-2>app-1: tcp 10.77.0.30 10.77.0.31 8080",
                  "app-2>app-1: tcp 10.77.0.32 10.77.0.30 8080",
                  "app-2>app-1: tcp 10.77.0.32 10.77.0.31 8080"));
}

TEST(Vital, FlowsStandOnBothHosts) {
  Estate estate = SmallUtility();
  Vital to_peer;
  to_peer.host = HostId("app-2");
  to_peer.range = testing::Ranges("5405/udp")[0];
  Vital to_storage;
  to_storage.external = ExternalId("banks");
  to_storage.range = testing::Ranges("3260/tcp")[0];
  estate.model.hosts[3].vital = {to_peer, to_storage};
  const auto plan = estate.Planned();
  std::vector<std::string> lines;
  for (const Flow& flow : plan->FindHost(HostId("app-1"))->vital) {
    lines.push_back(flow.Line());
  }
  EXPECT_THAT(lines, ElementsAre("tcp 10.77.0.31 203.0.113.0/24 3260",
                                 "udp 10.77.0.31 10.77.0.32 5405",
                                 "udp fd77::31 fd77::32 5405"));
  EXPECT_EQ(plan->FindHost(HostId("app-2"))->vital.size(), 2u);
}

TEST(Steps, WaitForWhatTheirSystemNeeds) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(NeedWords(*plan->FindStep(StepId("billing-db"))),
              ElementsAre("directory soft", "name-service hard"));
  EXPECT_THAT(Strings(plan->FindStep(StepId("name-service"))->dependents),
              ElementsAre("billing-db", "directory"));
  // A soft need is no dependence.
  EXPECT_THAT(Strings(plan->FindStep(StepId("directory"))->dependents),
              ElementsAre("billing-engine"));
}

TEST(Steps, OfAnExternalWaitForTheSoakOfWhatTheyEnter) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(NeedWords(*plan->FindStep(StepId("pilot-office>portal:https"))),
              ElementsAre("portal hard soaked"));
  const PlannedStep& citizens =
      *plan->FindStep(StepId("citizens>portal:https"));
  EXPECT_THAT(NeedWords(citizens),
              ElementsAre("pilot-office>portal:https hard soaked",
                          "portal hard soaked"));
  EXPECT_EQ(citizens.system, SystemId("portal"));
  EXPECT_EQ(citizens.external, ExternalId("citizens"));
  EXPECT_THAT(Strings(citizens.hosts), ElementsAre("web-1"));
  EXPECT_EQ(citizens.health.size(), 1u);
  EXPECT_THAT(citizens.inspect, IsEmpty());
  EXPECT_THAT(Strings(citizens.grants), ElementsAre("citizens>portal:https"));
}

TEST(Steps, AfterAnExternalThatNeverComesAreRefused) {
  Estate estate = SmallUtility();
  estate.Get("portal").serves[1].after = {ExternalId("banks")};
  EXPECT_THAT(estate.Refusal(),
              HasSubstr("'citizens' comes after 'banks', which 'portal' does "
                        "not serve"));
}

TEST(Steps, OfAJointGroupWaitTogetherForWhatAnyNeeds) {
  Estate estate = SmallUtility();
  estate.AddHost("q-1", {"10.77.0.61"});
  estate.AddSystem("queue", {"q-1"}, {"amqp=5672/tcp"});
  estate.Needs("queue", "billing-engine:http");
  estate.Needs("billing-engine", "queue:amqp");
  for (Host& host : estate.model.hosts) {
    if (host.id.str() == "q-1") {
      host.addresses.push_back(testing::Range("fd77::61"));
    }
  }
  EXPECT_THAT(estate.Refusal(),
              HasSubstr("needs run in a circle: 'billing-engine' needs "
                        "'queue' needs 'billing-engine'"));
  estate.Joint({"queue", "billing-engine"});
  const auto plan = estate.Planned();
  const PlannedStep& queue = *plan->FindStep(StepId("queue"));
  EXPECT_THAT(NeedWords(queue),
              ElementsAre("billing-db hard", "directory hard"));
  EXPECT_EQ(queue.joint_group, 0);
  EXPECT_EQ(plan->FindStep(StepId("billing-engine"))->joint_group, 0);
  EXPECT_EQ(plan->FindStep(StepId("portal"))->joint_group, -1);
  // One member's failure is the other's.
  EXPECT_THAT(Strings(plan->BlastRadius(StepId("queue"))),
              ElementsAre("billing-engine", "citizens>portal:https",
                          "pilot-office>portal:https", "portal"));
}

TEST(Stages, AreFourUnlessTheManifestSaysOtherwise) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(
      StageWords(*plan),
      ElementsAre("foundations: name-service directory", "data: billing-db",
                  "applications: billing-engine portal",
                  "outside: pilot-office>portal:https citizens>portal:https"));
  EXPECT_EQ(plan->stages[0].gate.approvals.at(RoleId("incident-commander")), 1);
}

TEST(Stages, TakeTheManifestsOwnGate) {
  Estate estate = SmallUtility();
  estate.model.default_gate.approvals = {{RoleId("mayor"), 2}};
  estate.model.default_gate.timeout = absl::Minutes(5);
  const auto plan = estate.Planned();
  EXPECT_EQ(plan->stages[1].gate.approvals.at(RoleId("mayor")), 2);
  EXPECT_EQ(plan->stages[1].gate.timeout, absl::Minutes(5));
}

TEST(Stages, HoldWhatFoundationsStandOn) {
  Estate estate = SmallUtility();
  estate.Needs("name-service", "billing-db:postgres");
  estate.Get("billing-db").needs.clear();
  EXPECT_THAT(StageWords(*estate.Planned())[0],
              "foundations: billing-db name-service directory");
}

TEST(Stages, WithoutStepsAreLeftOut) {
  Estate estate;
  estate.AddHost("h", {"10.0.0.1"});
  estate.AddSystem("alone", {"h"});
  EXPECT_THAT(StageWords(*estate.Planned()),
              ElementsAre("applications: alone"));
}

TEST(Stages, ComeAsDeclared) {
  Estate estate = SmallUtility();
  estate.AddStage("base", {"directory", "name-service", "billing-db"});
  estate.AddStage("pilot", {"billing-engine", "portal"}, {"pilot-office"});
  estate.AddStage("rest", {}, {});
  EXPECT_THAT(StageWords(*estate.Planned()),
              ElementsAre("base: name-service billing-db directory",
                          "pilot: billing-engine portal "
                          "pilot-office>portal:https",
                          "rest: citizens>portal:https"));
}

TEST(Stages, ThatContradictTheNeedsAreRefused) {
  Estate estate = SmallUtility();
  estate.AddStage("base", {"directory", "billing-engine", "name-service"});
  estate.AddStage("rest", {"portal", "billing-db"});
  EXPECT_THAT(
      estate.Refusal(),
      HasSubstr("'billing-engine' of stage 'base' needs 'billing-db', which "
                "comes back only in the later stage 'rest'; move"));
}

TEST(Stages, MustNameEverySystem) {
  Estate estate = SmallUtility();
  estate.model.files = {"small.yaml"};
  estate.Get("portal").place = {0, 12, 3};
  estate.AddStage(
      "all", {"directory", "billing-engine", "name-service", "billing-db"});
  EXPECT_EQ(estate.Refusal(),
            "small.yaml:12:3: system 'portal' is in no stage; add it to the "
            "stage in which it comes back");
}

TEST(Stages, KeepAJointGroupInOne) {
  Estate estate = SmallUtility();
  estate.Joint({"directory", "billing-db"});
  estate.AddStage("base", {"directory", "name-service"});
  estate.AddStage("rest", {"portal", "billing-db", "billing-engine"});
  EXPECT_THAT(estate.Refusal(), HasSubstr("come back together (joint)"));
}

TEST(Order, PutsPriorityFirstWhereThereIsAChoice) {
  Estate estate;
  estate.AddHost("h", {"10.0.0.1"});
  estate.AddSystem("b", {"h"});
  estate.AddSystem("a", {"h"}).priority = Priority::kLow;
  estate.AddSystem("c", {"h"}, {"x=1/tcp"}).priority = Priority::kHigh;
  estate.AddSystem("d", {"h"}).priority = Priority::kHigh;
  estate.Needs("d", "c:x");
  EXPECT_THAT(Strings(estate.Planned()->order),
              ElementsAre("c", "d", "b", "a"));
}

TEST(CriticalPath, GoesThroughStagesAndOverlapsSoaks) {
  Estate estate = SmallUtility();
  for (System& system : estate.model.systems) {
    system.soak = absl::Seconds(10);
    system.expected = absl::Seconds(5);
  }
  estate.Get("name-service").soak = absl::Seconds(60);
  const auto plan = estate.Planned();
  // name-service is healthy after 5s, but its stage settles after 65s. In
  // applications, portal starts when billing-engine is healthy.
  EXPECT_THAT(
      Strings(plan->critical_path),
      ElementsAre("name-service", "billing-db", "billing-engine", "portal",
                  "pilot-office>portal:https", "citizens>portal:https"));
  EXPECT_EQ(plan->critical_duration, absl::Seconds(65 + 15 + 5 + 15 + 20));
}

TEST(Checks, HaveNumbersForPorts) {
  Estate estate = SmallUtility();
  estate.Get("billing-engine")
      .health.push_back(testing::Probe("billing-engine/health-2", "http",
                                       {{"port", "8443"}, {"path", "/"}}));
  const auto plan = estate.Planned();
  const PlannedStep& step = *plan->FindStep(StepId("billing-engine"));
  EXPECT_EQ(step.health[0].spec.args.at("port"), "8080");
  EXPECT_EQ(step.health[1].spec.args.at("port"), "8443");
  EXPECT_EQ(step.watch.size(), 2u);  // the health checks, none being declared
}

TEST(Checks, OfUnknownPortsAreRefused) {
  Estate estate = SmallUtility();
  estate.Get("portal").health[0] =
      testing::Probe("portal/health-1", "tcp", {{"port", "htps"}});
  EXPECT_THAT(estate.Refusal(), HasSubstr("has no port 'htps'"));
}

TEST(Checks, OfListenersKnowEveryDeclaredPortOfTheHosts) {
  Estate estate = SmallUtility();
  estate.AddSystem("agent", {"app-2"}, {"probe=161/udp,9000-9010/tcp"});
  estate.Get("billing-engine")
      .inspect.push_back(
          testing::Probe("billing-engine/inspect-1", "listeners", {}));
  const auto plan = estate.Planned();
  EXPECT_EQ(plan->FindStep(StepId("billing-engine"))
                ->inspect[0]
                .spec.args.at("ports"),
            "161/udp,8080/tcp,9000-9010/tcp");
}

// What is declared: what its hosts may call, and where the estate lies.
TEST(Checks, OfAttemptsKnowWhatTheHostsMayCall) {
  Estate estate = SmallUtility();
  estate.Get("billing-engine")
      .inspect.push_back(
          testing::Probe("billing-engine/inspect-1", "attempts", {}));
  const auto plan = estate.Planned();
  const CheckSpec& spec =
      plan->FindStep(StepId("billing-engine"))->inspect[0].spec;
  EXPECT_THAT(spec.args.at("declared"), HasSubstr("5432/tcp@10.77.0.21"));
  EXPECT_THAT(spec.args.at("declared"), HasSubstr("5432/tcp@fd77::21"));
  EXPECT_THAT(spec.args.at("declared"), Not(HasSubstr("10.77.0.31")));
  // app-1 and app-2 end in .31 and .32.
  EXPECT_THAT(spec.args.at("estate"), HasSubstr("10.77.0.31,10.77.0.32"));
}

TEST(Ranges, AreJoinedWhereTwoHalvesMakeAWhole) {
  std::vector<Prefix> ranges;
  for (int i = 0; i < 256; ++i) {
    ranges.push_back(testing::Range(absl::StrCat("10.77.0.", i)));
  }
  ranges.push_back(testing::Range("10.77.1.1"));
  ranges.push_back(testing::Range("fd77::2"));
  ranges.push_back(testing::Range("fd77::3"));
  EXPECT_THAT(
      planning::JoinRanges(ranges),
      ElementsAre(testing::Range("10.77.0.0/24"), testing::Range("10.77.1.1"),
                  testing::Range("fd77::2/127")));
  EXPECT_THAT(planning::JoinRanges(
                  {testing::Range("0.0.0.0/1"), testing::Range("128.0.0.0/1")}),
              ElementsAre(testing::Range("0.0.0.0/0")));
}

TEST(Checks, ThatPeopleDoAreTasks) {
  Estate estate = SmallUtility();
  System& engine = estate.Get("billing-engine");
  engine.inspect.push_back(testing::Signed(
      "billing-engine/rotated", "passwords rotated", "incident-commander"));
  engine.accept.push_back(testing::Signed("billing-engine/invoice",
                                          "invoice matches", "system-owner"));
  const auto plan = estate.Planned();
  const PlannedStep& step = *plan->FindStep(StepId("billing-engine"));
  EXPECT_EQ(step.inspect_tasks[0].id, TaskId("billing-engine/rotated"));
  EXPECT_EQ(step.accept_tasks[0].owner, RoleId("system-owner"));
  EXPECT_THAT(step.inspect, IsEmpty());
  engine.health.push_back(testing::Signed("x", "look", "system-owner"));
  EXPECT_THAT(estate.Refusal(), HasSubstr("people's tasks belong under"));
}

TEST(Plan, FindsTheFlowsOfAHostByGrant) {
  const auto plan = SmallUtility().Planned();
  const auto flows = plan->FlowsOn(
      HostId("db-1"), {StepId("billing-db"), StepId("billing-engine")});
  std::vector<std::string> names;
  for (const auto& [grant, list] : flows) names.push_back(grant.str());
  EXPECT_THAT(names, ElementsAre("billing-db>directory:ldap",
                                 "billing-db>name-service:dns",
                                 "billing-engine>billing-db:postgres"));
  EXPECT_EQ(flows.at(GrantId("billing-engine>billing-db:postgres")).size(), 4u);
}

TEST(Plan, KnowsTheHostsThatAStepConcerns) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(Strings(plan->HostsOf({StepId("billing-engine")})),
              ElementsAre("app-1", "app-2", "db-1", "dir-1"));
  EXPECT_THAT(Strings(plan->HostsOf({StepId("citizens>portal:https")})),
              ElementsAre("web-1"));
}

TEST(Plan, KnowsTheBlastRadiusWithEntries) {
  const auto plan = SmallUtility().Planned();
  EXPECT_THAT(Strings(plan->BlastRadius(StepId("billing-db"))),
              ElementsAre("billing-engine", "citizens>portal:https",
                          "pilot-office>portal:https", "portal"));
  EXPECT_THAT(Strings(plan->BlastRadius(StepId("pilot-office>portal:https"))),
              ElementsAre("citizens>portal:https"));
}

TEST(Plan, OfHostsAloneHasNoStages) {
  Estate estate;
  estate.AddHost("h", {"10.0.0.1"});
  const auto plan = estate.Planned();
  EXPECT_THAT(plan->stages, IsEmpty());
  EXPECT_EQ(plan->hosts.size(), 1u);
}

}  // namespace
}  // namespace sluice
