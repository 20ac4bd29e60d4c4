// Events drawn at random: whatever comes in whatever order, nothing opens that
// S1 forbids, and a replay gives the same state.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/engine/engine.h"
#include "tests/scenarios/fake_world.h"

namespace sluice::engine {
namespace {

using ::sluice::testing::FakeAgent;
using ::sluice::testing::FakeWorld;
using ::testing::IsEmpty;

uint32_t Asked(const char* variable, uint32_t usual) {
  const char* wanted = std::getenv(variable);
  uint32_t number = usual;
  if (wanted != nullptr && !absl::SimpleAtoi(wanted, &number)) number = usual;
  return number;
}
// More of them with SLUICE_SEEDS=5000, one alone with SLUICE_FIRST_SEED too.
uint32_t Seeds(uint32_t usual) { return Asked("SLUICE_SEEDS", usual); }
uint32_t FirstSeed() { return Asked("SLUICE_FIRST_SEED", 1); }

// L2: whatever is not back says why, and what it names is there.
class WhyChecker {
 public:
  explicit WhyChecker(FakeWorld& world)
      : now_(world.now()), view_(world.engine().MakeView(world.now())) {
    names_["run"].insert("run");
    for (const StepView& step : view_.steps) Add("step", step.id.str());
    for (const HostView& host : view_.hosts) Add("host", host.id.str());
    for (const GateView& gate : view_.gates) Add("gate", gate.id.str());
    for (const TaskView& task : view_.tasks) Add("task", task.id.str());
    for (const PlannedStep& step : world.plan()->steps) {
      for (const PlannedCheck& check : step.watch) Add("check", check.id.str());
    }
  }

  void Check() const {
    for (const StepView& step : view_.steps) {
      const bool back = step.state == "reconnected" && !step.failed;
      const bool open = step.state == "open";
      EXPECT_TRUE(back || open || !step.waits.empty())
          << step.id.str() << " is " << step.state << " and says not why";
      for (const Wait& wait : step.waits) CheckWait(step.id.str(), wait);
    }
    for (const GateView& gate : view_.gates) {
      const bool done = gate.state == "done" || view_.run.state == "ended";
      EXPECT_TRUE(done || !gate.waits.empty())
          << gate.id.str() << " is " << gate.state << " and says not why";
      for (const Wait& wait : gate.waits) CheckWait(gate.id.str(), wait);
    }
  }

 private:
  void Add(const std::string& kind, const std::string& name) {
    names_[kind].insert(name);
  }
  void CheckWait(const std::string& of, const Wait& wait) const {
    const auto names = names_.find(wait.on_kind);
    EXPECT_TRUE(names != names_.end() && names->second.contains(wait.on))
        << of << " " << wait.text << ": no " << wait.on_kind << " '" << wait.on
        << "'";
    EXPECT_FALSE(wait.kind.empty()) << of << " " << wait.text;
    EXPECT_FALSE(wait.text.empty()) << of << " " << wait.kind;
    EXPECT_LE(wait.since, now_) << of << " " << wait.text;
    const bool people = wait.kind == "person" || wait.kind == "task";
    EXPECT_TRUE(!people || !wait.next.empty())
        << of << " " << wait.text << ": a person is not told what to do";
    EXPECT_TRUE(wait.kind != "task" || !wait.who.empty()) << of;
  }

  const absl::Time now_;
  const View view_;
  std::map<std::string, std::set<std::string>> names_;
};

class Chaos {
 public:
  explicit Chaos(uint32_t seed) : random_(seed) {
    // One of the scenarios' estates: several hosts a system, tasks, policies,
    // a joint group, soft needs.
    utility_ = seed % 2 == 0;
    const char* file = seed % 5 == 3 ? "by_hand"
                       : utility_    ? "utility"
                                     : "policies";
    by_hand_ = seed % 5 == 3;
    std::ifstream in(
        absl::StrCat(SLUICE_SOURCE_DIR, "/tests/scenarios/", file, ".yaml"));
    manifest_ = std::string{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(world_.Adopt(manifest_), absl::OkStatus());
    world_.ConnectAll();
    IsolationOrdered isolate;
    isolate.by = OperatorId("second-commander");
    isolate.confirmation = world_.plan()->estate.str();
    EXPECT_EQ(world_.Isolate(isolate), absl::OkStatus());
    // In half of them the run begins before people have closed their points.
    if (seed % 10 == 3) SayAll();
    EXPECT_EQ(world_.Start("second-commander"), absl::OkStatus());
  }

  void Disturb(int steps) {
    for (int i = 0; i < steps; ++i) {
      One();
      if (i % 5 == 0) WhyChecker(world_).Check();
    }
  }

  // Everything works from here on; people answer whatever is asked.
  void Heal() {
    for (auto& [host, agent] : world_.agents()) {
      agent.checks.clear();
      agent.silent = false;
      agent.deaf_tries = false;
      if (!agent.connected) world_.Step(agent.Hello(world_.now()));
    }
    world_.Settle();
    for (const HostView& host : world_.engine().MakeView(world_.now()).hosts) {
      if (host.fence != "open") continue;
      // It joined with a new plan and waits for a person to isolate it.
      IsolationOrdered isolate;
      isolate.scope = IsolationOrdered::Scope::kHost;
      isolate.host = host.id;
      isolate.by = OperatorId("duty-commander");
      isolate.confirmation = host.id.str();
      EXPECT_EQ(world_.Isolate(isolate), absl::OkStatus());
    }
    for (const PlannedStep& step : world_.plan()->steps) {
      for (const HostId& host : step.hosts) {
        for (const PlannedCheck& check : step.watch) {
          world_.Tell(WatchChanged{
              host, step.id, {check.id, {Verdict::kPass, "", ""}}});
        }
      }
    }
    for (int i = 0; i < 60; ++i) {
      static_cast<void>(world_.Ask(RunResumed{OperatorId("duty-commander")}));
      static_cast<void>(
          world_.Ask(RetryAsked{{}, OperatorId("duty-commander")}));
      DecideAll();
      SayAll();
      world_.Advance(absl::Seconds(30));
    }
  }

  FakeWorld& world() { return world_; }
  int replans() const { return replans_; }

 private:
  // Whoever may, says go to whatever asks, and signs whatever is wanted.
  void DecideAll() {
    for (const Approver& approver : world_.plan()->approvers) {
      for (const TaskView& task :
           world_.engine().MakeView(world_.now()).tasks) {
        static_cast<void>(world_.Sign(task.id.str(), approver.id.str()));
      }
      for (const PlannedStage& stage : world_.plan()->stages) {
        static_cast<void>(
            world_.Decide(stage.id.str(), approver.id.str(), true));
      }
    }
  }
  // People do whatever they are asked to do by hand.
  void SayAll() {
    for (const PointTaskView& task :
         world_.engine().MakeView(world_.now()).point_tasks) {
      static_cast<void>(world_.Say(task.id.str(), Keeper(), true, "drawn"));
    }
  }
  std::string Keeper() const {
    for (const Approver& approver : world_.plan()->approvers) {
      for (const RoleId& role : approver.roles) {
        if (role.str() == "network-operator") return approver.id.str();
      }
    }
    return "duty-commander";
  }
  // One of them, or another person than it is for, or what was never asked.
  void SayOne() {
    const std::vector<PointTaskView> tasks =
        world_.engine().MakeView(world_.now()).point_tasks;
    PointReported word;
    word.by = OperatorId(Draw(8) == 0 ? "duty-commander" : Keeper());
    word.roles = world_.RolesOf(word.by);
    word.done = Draw(4) > 0;
    word.saw = Draw(8) == 0 ? "" : "drawn";
    if (tasks.empty() || Draw(8) == 0) {
      word.host = AnyHost();
      word.task = TaskId(absl::StrCat(word.host.str(), "/open-", Draw(5)));
      word.order = OrderId(absl::StrCat("run-1/", Draw(200), "/", Draw(9)));
    } else {
      const PointTaskView& task =
          tasks[static_cast<size_t>(Draw(static_cast<int>(tasks.size())))];
      word.host = task.host;
      word.task = task.id;
      word.order = task.order;
    }
    world_.Step(word);
  }
  // Another manifest: some drawn changes of the first one, so that changes
  // come and go again.
  void Replan() {
    struct Change {
      const char* old_text;
      const char* new_text;
    };
    static constexpr Change kUtility[] = {
        {"needs: [directory:ldap]\n    inspect:", "inspect:"},
        {"needs: [billing:http]\n    serves",
         "needs: [billing:http, directory:ldap]\n    serves"},
        {"needs: [directory:ldap, {billing:http: soft}]",
         "needs: [directory:ldap]"},
        {"{postgres: 5432/tcp}", "{postgres: 5433/tcp}"},
        {"    hosts: [web-1]\n", "    hosts: [web-1, web-2]\n    enough: 1\n"},
        {"  web-1: {address: [10.0.1.4]}\n",
         "  web-1: {address: [10.0.1.4]}\n  web-2: {address: [10.0.1.7]}\n"},
        {"hosts: [app-1, app-2]\n    enough: 1", "hosts: [app-1]"},
        {"  app-2: {address: [10.0.1.6]}\n", ""},
        {"serves: [{external: citizens, port: https}]", "title: Portal"},
        {"  - name: outside\n    flows: [{external: citizens}]\n"
         "    gate: {approvals: {incident-commander: 1}, timeout: 30m}\n",
         ""},
        {"    health: [{tcp: https}]\n",
         "    health: [{tcp: https}]\n"
         "    watch-every: 7s\n"},
        {"    inspect: [{listeners: declared-only}]\n    health: [{tcp: ldap}]",
         "    health: [{tcp: ldap}]\n    on-failure: hold"},
        {"what: known invoice", "what: one known invoice"},
        {"  - name: applications", "  - name: trade"},
        {"[billing, portal, reporting]", "[billing, portal, reporting, wiki]"},
        {"  portal:\n",
         "  wiki:\n    category: information\n    hosts: [rep-1]\n"
         "    needs: [{portal:https: soft}]\n    health: [{tcp: 80}]\n"
         "  portal:\n"},
        {"category: foundation\n    hosts: [dir-1]",
         "category: foundation\n    hosts: [dir-1, app-1]\n    enough: 1"},
    };
    static constexpr Change kPolicies[] = {
        {"needs: [base:http]\n    health: [{tcp: http}]\n    soak: 10s\n"
         "    on-failure: hold",
         "health: [{tcp: http}]\n    soak: 10s\n    on-failure: hold"},
        {"soak: 10s", "soak: 20s"},
        {"on-failure: isolate", "on-failure: isolate-dependents"},
        {"needs: [right:http, base:http]", "needs: [right:http]"},
        {"    needs: [leaning:http]", "    needs: [{leaning:http: soft}]"},
        {"    hosts: [f-1]", "    hosts: [f-1, g-1]\n    enough: 1"},
        {"  f-1: {address: [10.0.1.6]}\n",
         "  f-1: {address: [10.0.1.6]}\n  g-1: {address: [10.0.1.7]}\n"},
        {"[base, holding, leaning, left, right]",
         "[base, holding, left, right]"},
        {"  - name: last\n    systems: [late]",
         "  - name: last\n    systems: [leaning, late]"},
        {"    ports: {http: 80/tcp}\n    needs: [base:http]\n",
         "    ports: {http: 81/tcp}\n    needs: [base:http]\n"},
        {"confirm: by-decision", "timeout: 20m"},
        {"joint:\n  - [left, right]", "joint:\n  - [right, left, leaning]"},
    };
    std::string manifest = manifest_;
    const auto change = [&](const Change& drawn) {
      const size_t at = manifest.find(drawn.old_text);
      if (Draw(3) > 0 || at == std::string::npos) return;
      manifest.replace(at, std::string(drawn.old_text).size(), drawn.new_text);
    };
    if (utility_) {
      for (const Change& drawn : kUtility) change(drawn);
    } else {
      for (const Change& drawn : kPolicies) change(drawn);
    }
    // Some are no manifests, or the same one.
    if (world_.Adopt(manifest, "planner").ok()) ++replans_;
  }

  int Draw(int below) {
    return static_cast<int>(random_() % static_cast<uint32_t>(below));
  }
  HostId AnyHost() {
    const std::vector<PlannedHost>& hosts = world_.plan()->hosts;
    return hosts[static_cast<size_t>(Draw(static_cast<int>(hosts.size())))].id;
  }
  const PlannedStep& AnyStep() {
    const std::vector<PlannedStep>& steps = world_.plan()->steps;
    return steps[static_cast<size_t>(Draw(static_cast<int>(steps.size())))];
  }

  void One() {
    const HostId host = AnyHost();
    FakeAgent& agent = world_.agent(host);
    if (by_hand_ && Draw(4) == 0) return SayOne();
    switch (Draw(25)) {
      case 24:
        if (Draw(3) == 0) Replan();
        break;
      case 0:
        if (agent.connected) world_.Lose(host);
        break;
      case 1:
      case 2:
        if (!agent.connected) {
          if (Draw(4) == 0) agent.Reboot();
          if (Draw(12) == 0) agent.LoseStanding();
          if (Draw(12) == 0) agent.Open();
          world_.Step(agent.Hello(world_.now()));
        }
        break;
      case 3: {
        const PlannedStep& step = AnyStep();
        if (step.health.empty()) break;
        agent.checks[step.health[0].id] = {
            Draw(2) == 0 ? Verdict::kFail : Verdict::kInconclusive, "drawn", 1};
        break;
      }
      case 4: {
        const PlannedStep& step = AnyStep();
        if (step.inspect.empty()) break;
        agent.checks[step.inspect[0].id] = {
            Draw(2) == 0 ? Verdict::kFail : Verdict::kInconclusive, "drawn", 1};
        break;
      }
      case 5: {
        WatchChanged changed{host, AnyStep().id, {}};
        // An agent reports only what it was told to watch.
        const std::string state = world_.StepNamed(changed.step.str()).state;
        if (state != "soaking" && state != "accepting" &&
            state != "reconnected") {
          break;
        }
        const PlannedStep* step = world_.plan()->FindStep(changed.step);
        if (step->watch.empty()) break;
        changed.report.id = step->watch[0].id;
        changed.report.result.verdict = static_cast<Verdict>(Draw(3));
        world_.Step(changed);
        break;
      }
      case 6: {
        IsolationOrdered isolate;
        isolate.by = OperatorId("duty-commander");
        const PlannedStep& step = AnyStep();
        isolate.scope = static_cast<IsolationOrdered::Scope>(Draw(4));
        if (Draw(3) > 0) isolate.scope = IsolationOrdered::Scope::kSystem;
        isolate.system = step.system;
        isolate.host = host;
        isolate.reason = "drill";
        isolate.sensor_anew =
            isolate.scope == IsolationOrdered::Scope::kHost && Draw(2) > 0;
        if (isolate.sensor_anew) isolate.roles = {RoleId("incident-commander")};
        using Scope = IsolationOrdered::Scope;
        isolate.confirmation =
            isolate.scope == Scope::kSystem ? isolate.system.str()
            : isolate.scope == Scope::kHost ? host.str()
                                            : world_.plan()->estate.str();
        world_.Step(isolate);
        break;
      }
      case 7:
      case 8:
        world_.Step(RetryAsked{{}, OperatorId("duty-commander")});
        break;
      case 9:
        world_.Step(RunPaused{OperatorId("duty-commander")});
        break;
      case 10:
      case 11:
        world_.Step(RunResumed{OperatorId("duty-commander")});
        break;
      case 12:
        world_.Step(LeaseLost{host, "sha256:of nothing known"});
        for (const std::string& digest :
             world_.engine().LiveReleases(host, world_.now())) {
          world_.Step(LeaseLost{host, digest});
        }
        break;
      case 13:
        agent.silent = Draw(3) == 0;
        break;
      case 14:
        agent.deaf_tries = Draw(4) == 0;
        break;
      case 15:
        if (Draw(6) == 0) world_.Restart();
        break;
      case 16: {
        // Answers to orders that nobody gave, or not to this host.
        OrderReported report;
        report.order = OrderId(absl::StrCat("run-1/", Draw(200), "/", Draw(9)));
        report.host = host;
        report.outcome = static_cast<Outcome>(Draw(3));
        if (Draw(2) == 0) report.fence = agent.Fence(world_.now());
        // A host may only answer for itself, and an order it has: that it
        // claims something else is its fault, not what is tested here.
        for (const Order& order : world_.engine().Outstanding(host)) {
          if (order.id == report.order) return;
        }
        world_.Step(report);
        break;
      }
      case 17:
        if (Draw(3) == 0) {
          const std::vector<PlannedStage>& stages = world_.plan()->stages;
          const auto at = Draw(static_cast<int>(stages.size()));
          static_cast<void>(
              world_.Decide(stages[static_cast<size_t>(at)].id.str(),
                            "duty-commander", false, "drawn"));
        }
        break;
      case 18: {
        WaiverGiven waiver;
        waiver.step = AnyStep().id;
        waiver.by = OperatorId("duty-commander");
        waiver.roles = world_.RolesOf(waiver.by);
        waiver.reason = "drawn";
        waiver.until = world_.now() + absl::Seconds(1 + Draw(40));
        static_cast<void>(world_.Ask(waiver));
        break;
      }
      case 19:
      case 20:
        DecideAll();
        break;
      default:
        world_.Advance(absl::Seconds(Draw(12)));
    }
    const int answers = Draw(30);
    for (int i = 0; i < answers; ++i) {
      if (!world_.AnswerOne(static_cast<size_t>(Draw(100)))) break;
    }
  }

  std::mt19937 random_;
  std::string manifest_;  // the first one
  bool utility_ = false;
  bool by_hand_ = false;
  int replans_ = 0;
  FakeWorld world_;
};

// Whatever earlier plans opened and this one has no longer was closed.
void ExpectNothingIsOpenThatThePlanHasNot(FakeWorld& world) {
  for (auto& [host, agent] : world.agents()) {
    std::set<std::string> ends;
    for (const PlannedGrant& grant : world.plan()->grants) {
      for (const HostFlow& flow : grant.flows) {
        if (flow.client == host || flow.server == host) {
          ends.insert(grant.id.str());
        }
      }
    }
    for (std::string open : agent.OpenGrants(world.now())) {
      // Without a host that its system goes on without: partial, and standing.
      const size_t flows = open.find(" of ");
      const size_t note = open.find(" (");
      if (flows != std::string::npos &&
          open.find("leased") == std::string::npos) {
        open.resize(note);
      }
      EXPECT_TRUE(ends.contains(open)) << open << " is open on " << host.str();
    }
  }
}

TEST(RandomEvents, NeverOpenWhatIsForbiddenAndReplayTheSame) {
  int replans = 0;
  for (uint32_t seed = FirstSeed(); seed <= Seeds(150); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Chaos chaos(seed);
    chaos.Disturb(150);
    EXPECT_THAT(chaos.world().checker().violations(), IsEmpty());
    Engine replayed;
    EXPECT_EQ(chaos.world().Replay(&replayed), "");
    if (::testing::Test::HasFailure()) return;
    replans += chaos.replans();
  }
  EXPECT_GT(replans, (static_cast<int>(Seeds(150)) - 10) / 4 *
                         static_cast<int>(FirstSeed() == 1))
      << "hardly any of the manifests drawn is one";
}

TEST(RandomEvents, EndWithEverythingBackOnceFaultsAreHealed) {
  for (uint32_t seed = FirstSeed(); seed <= Seeds(60); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Chaos chaos(seed);
    chaos.Disturb(120);
    chaos.Heal();
    EXPECT_THAT(chaos.world().checker().violations(), IsEmpty());
    const View view = chaos.world().engine().MakeView(chaos.world().now());
    EXPECT_EQ(view.steps_done, view.steps_total);
    ExpectNothingIsOpenThatThePlanHasNot(chaos.world());
    for (const StepView& step : view.steps) {
      for (const Wait& wait : step.waits) {
        ADD_FAILURE() << step.id.str() << " " << step.state << " " << wait.text;
      }
    }
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace sluice::engine
