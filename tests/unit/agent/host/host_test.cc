#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <barrier>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agents/host/baseline_command.h"
#include "agents/host/config.h"
#include "agents/host/driver.h"
#include "agents/host/evidence_key.h"
#include "agents/host/isolate_command.h"
#include "agents/host/notify.h"
#include "agents/host/state_store.h"
#include "agents/isolation/memory_fence.h"

namespace sluice::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kConfig[] = R"(estate: city-utility
host: db-1
orchestrators: ["10.77.0.1:7443", "[fd77::1]:7443"]
certificate: agent.crt
key: agent.key
authority: /etc/sluice/ca.crt
management:
  - tcp 10.77.0.11 10.77.0.1 7443
  - tcp fd77::11 fd77::1 7443
vital: ["tcp 10.77.0.11 10.77.0.3 3260"]
units:
  postgresql.service: {start: [/usr/local/sbin/db-up]}
  nginx.service: {}
plugins:
  check_pgsql: {command: [/usr/lib/nagios/plugins/check_pgsql], timeout: 3s}
  check_raid: {command: [/usr/local/bin/check_raid], user: nagios}
yara: {webshells: {rules: webshells.yar, paths: [/var/www/]}}
tls-authorities: estate-ca.pem
baselines:
  cron: {paths: [/etc/crontab, /etc/cron.d]}
  setuid: {paths: [/usr], only: setuid}
interior: [docker0, br-1f]
)";

TEST(Config, IsReadWhole) {
  const auto config = ParseConfig(kConfig, "/etc/sluice/agents/agent.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->host, HostId("db-1"));
  EXPECT_EQ(config->certificate, "/etc/sluice/agents/agent.crt");
  EXPECT_EQ(config->authority, "/etc/sluice/ca.crt");
  EXPECT_EQ(config->state, "/var/lib/sluice-agent");
  EXPECT_THAT(config->addresses, ElementsAre(*Prefix::Parse("10.77.0.11"),
                                             *Prefix::Parse("fd77::11")));
  EXPECT_EQ(config->management.size(), 2u);
  EXPECT_EQ(config->vital.size(), 1u);
  EXPECT_THAT(config->units.at("postgresql.service").start,
              ElementsAre("/usr/local/sbin/db-up"));
  EXPECT_THAT(config->units.at("nginx.service").start,
              ElementsAre("/usr/bin/systemctl", "start", "nginx.service"));
  EXPECT_EQ(config->plugins.at("check_pgsql").timeout, absl::Seconds(3));
  EXPECT_EQ(config->plugins.at("check_pgsql").user, "nobody");
  EXPECT_EQ(config->plugins.at("check_raid").user, "nagios");
  EXPECT_EQ(config->yara.at("webshells").rules,
            "/etc/sluice/agents/webshells.yar");
  EXPECT_THAT(config->yara.at("webshells").paths, ElementsAre("/var/www"));
  EXPECT_THAT(config->baselines.at("cron").paths,
              ElementsAre("/etc/crontab", "/etc/cron.d"));
  EXPECT_FALSE(config->baselines.at("cron").setuid_only);
  EXPECT_TRUE(config->baselines.at("setuid").setuid_only);
  EXPECT_EQ(config->tls_authorities, "/etc/sluice/agents/estate-ca.pem");
  EXPECT_THAT(RulesetOptionsOf(*config).interior,
              ElementsAre("docker0", "br-1f"));
}

// What one change to the file makes of it.
std::string ErrorAfter(absl::string_view from, absl::string_view to) {
  const auto config = ParseConfig(absl::StrReplaceAll(kConfig, {{from, to}}),
                                  "/etc/sluice/agent.yaml");
  return std::string(config.status().message());
}

TEST(Config, WithAnUnknownFieldIsRefusedWithItsPlace) {
  EXPECT_THAT(ErrorAfter("vital:", "vitals:"),
              HasSubstr("/etc/sluice/agent.yaml:10:1: 'vitals' is not"));
  EXPECT_THAT(ErrorAfter("{start:", "{restart:"), HasSubstr(":12:24:"));
}

TEST(Config, RefusesWhatCouldBeMisread) {
  EXPECT_THAT(ErrorAfter("host: db-1", "host: db-1\nhost: db-2"),
              HasSubstr("'host' stands twice"));
  EXPECT_THAT(ErrorAfter("host: db-1", ""), HasSubstr("'host' is missing"));
  EXPECT_THAT(ErrorAfter("10.77.0.3 3260", "10.77.0.3 0"),
              HasSubstr("is not a port"));
  EXPECT_THAT(ErrorAfter("timeout: 3s", "timeout: 3h"), HasSubstr("up to 5m"));
  EXPECT_THAT(ErrorAfter("[/usr/lib/nagios", "[usr/lib/nagios"),
              HasSubstr("whole path"));
  EXPECT_THAT(ErrorAfter("estate: city-utility", "estate: [a"),
              HasSubstr("/etc/sluice/agent.yaml:"));
  EXPECT_THAT(ErrorAfter("nginx.service: {}", "-rf: {}"),
              HasSubstr("not a unit's name"));
  EXPECT_THAT(ErrorAfter("units:", "---\nunits:"),
              HasSubstr("one YAML document"));
  EXPECT_THAT(ErrorAfter("/var/www/", "var/www"), HasSubstr("whole paths"));
  EXPECT_THAT(ErrorAfter("/var/www/", "/var/www/../.."),
              HasSubstr("whole paths"));
  EXPECT_THAT(ErrorAfter("rules: webshells.yar, ", ""),
              HasSubstr("'rules' and 'paths'"));
  EXPECT_THAT(ErrorAfter("only: setuid", "only: sudo"), HasSubstr("'setuid'"));
  EXPECT_THAT(ErrorAfter("  cron: {", "  ../cron: {"), HasSubstr("plain word"));
  EXPECT_THAT(ErrorAfter("[/usr]", "[usr]"), HasSubstr("whole"));
  EXPECT_THAT(ErrorAfter("user: nagios", "user: 'a b'"),
              HasSubstr("no spaces"));
  EXPECT_THAT(ErrorAfter("docker0", "'docker*'"),
              HasSubstr("not the name of an interface"));
  EXPECT_FALSE(ParseConfig("", "agent.yaml").ok());
}

// As ssh-keygen makes them.
constexpr char kKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3f9WBvlE4vgjmM"
    "u4rG+sDleO0UbmGS26IGHN802hDs";

std::string WithApprovers(const std::string& text) {
  return absl::StrCat(kConfig, absl::StrReplaceAll(text, {{"KEY", kKey}}));
}

TEST(Config, PinsWhomThisHostBelieves) {
  const auto config = ParseConfig(
      WithApprovers("approvers:\n"
                    "  owner: {roles: [system-owner], key: \"KEY comment\"}\n"
                    "quorum: {system-owner: 1}\n"
                    "quorum-at: {outside: {system-owner: 1}}\n"),
      "agent.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->approvers.size(), 1u);
  EXPECT_EQ(config->approvers[0].id, OperatorId("owner"));
  EXPECT_EQ(config->approvers[0].key, kKey);  // one spelling, one vote
  EXPECT_EQ(config->quorum.at(RoleId("system-owner")), 1);
  EXPECT_EQ(config->quorum_at.at(StageId("outside")).size(), 1u);
}

TEST(Config, RefusesApproversWhoCouldNotBeTold) {
  const auto error = [](const std::string& text) {
    return std::string(
        ParseConfig(WithApprovers(text), "agent.yaml").status().message());
  };
  EXPECT_THAT(error("approvers: {a: {roles: [r], key: ssh-rsa AAAA}}\n"),
              HasSubstr("public key"));
  EXPECT_THAT(error("approvers: {a: {roles: [r]}}\n"),
              HasSubstr("has roles and a key"));
  EXPECT_THAT(error("approvers: {a: {roles: [r], key: \"KEY\", x: y}}\n"),
              HasSubstr("'x' is not a field"));
  EXPECT_THAT(error("quorum: {r: 0}\n"), HasSubstr("1 to 100"));
  EXPECT_THAT(error("approvers: {a: {roles: [r], key: \"KEY\"},\n"
                    "            b: {roles: [r], key: \"KEY\"}}\n"
                    "quorum: {r: 2}\n"),
              HasSubstr("names 1 with keys of their own"));
}

TEST(EvidenceKey, IsMadeOnceAndNobodyElsesToRead) {
  const std::string path = (std::filesystem::temp_directory_path() /
                            absl::StrCat("sluice-evidence-", getpid(), ".key"))
                               .string();
  std::filesystem::remove(path);
  const auto made = LoadOrMakeEvidenceKey(path);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto again = LoadOrMakeEvidenceKey(path);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(made->public_key(), again->public_key());
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  EXPECT_EQ(LoadOrMakeEvidenceKey(path).status().code(),
            absl::StatusCode::kPermissionDenied);
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  std::ofstream(path) << "half a k";
  EXPECT_FALSE(LoadOrMakeEvidenceKey(path).ok());
  std::filesystem::remove(path);
}

TEST(Baselines, AreTakenAndKeptByTheHost) {
  const std::filesystem::path root =
      std::filesystem::temp_directory_path() /
      absl::StrCat("sluice-baselines-", getpid());
  std::filesystem::create_directories(root / "cron.d");
  std::ofstream(root / "cron.d/backup") << "x";
  AgentConfig config;
  config.state = (root / "state").string();
  config.evidence_key = (root / "evidence.key").string();
  EXPECT_THAT(TakeBaselines(config, "").status().message(),
              HasSubstr("names no 'baselines'"));
  config.baselines["cron"] = {{(root / "cron.d").string()}};
  EXPECT_FALSE(TakeBaselines(config, "other").ok());
  const auto said = TakeBaselines(config, "cron");
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_THAT(*said, HasSubstr("cron: 2 entries, sha256:"));
  EXPECT_TRUE(std::filesystem::exists(root / "state/baselines/cron.sig"));
  std::filesystem::remove_all(root);
}

TEST(Config, ThatIsNotThereIsOneSentence) {
  EXPECT_THAT(std::string(ReadConfig("/no/such/agent.yaml").status().message()),
              HasSubstr("/no/such/agent.yaml: cannot be read"));
}

class StateDirectory : public ::testing::Test {
 protected:
  StateDirectory()
      : path_(std::filesystem::temp_directory_path() /
              absl::StrCat("sluice-state-", getpid(), "-",
                           ::testing::UnitTest::GetInstance()
                               ->current_test_info()
                               ->name())) {}
  ~StateDirectory() override { std::filesystem::remove_all(path_); }
  std::string directory() const { return (path_ / "deep/er").string(); }

  const std::filesystem::path path_;
};

TEST_F(StateDirectory, KeepsTheLastStateWhole) {
  auto store = FileStateStore::Open(directory());
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(absl::IsNotFound(store->Load().status()));
  ASSERT_TRUE(store->Save("one").ok());
  ASSERT_TRUE(store->Save("two and more").ok());
  EXPECT_EQ(*store->Load(), "two and more");
  EXPECT_FALSE(std::filesystem::exists(directory() + "/state.new"));
  const auto mode = std::filesystem::status(directory() + "/state");
  EXPECT_EQ(mode.permissions(), std::filesystem::perms(0600));
}

TEST_F(StateDirectory, ThatIsGoneWhereThereWasOneIsLost) {
  const std::string witness = (path_ / "kept").string();
  {
    auto store = FileStateStore::Open(directory(), witness);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_TRUE(absl::IsNotFound(store->Load().status()));
    ASSERT_TRUE(store->Save("one").ok());
    EXPECT_EQ(store->Load().value(), "one");
    store->SetAside();
    EXPECT_TRUE(absl::IsDataLoss(store->Load().status()));
  }
  std::filesystem::remove_all(directory());
  auto store = FileStateStore::Open(directory(), witness);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(absl::IsDataLoss(store->Load().status()));
  std::filesystem::remove(witness);
  EXPECT_TRUE(absl::IsNotFound(store->Load().status()));
}

TEST_F(StateDirectory, IsLockedAgainstASecondAgent) {
  const auto store = FileStateStore::Open(directory());
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(FileStateStore::Holder(directory()), getpid());
  const auto second = FileStateStore::Open(directory());
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(absl::StrCat("process ", getpid())));
}

TEST_F(StateDirectory, ThatCannotBeWrittenSaysSo) {
  std::filesystem::create_directories(path_);
  std::ofstream(path_ / "deep") << "a file in the way";
  EXPECT_FALSE(FileStateStore::Open(directory()).ok());
}

CoreOptions Options() {
  return {.estate = EstateId("city-utility"),
          .host = HostId("app-1"),
          .version = "test",
          .management = {*Flow::Parse("tcp 10.77.0.21 10.77.0.1 7443")}};
}

struct World {
  explicit World(StateStore* store)
      : driver(Options(),
               {.fence = &fence,
                .store = store,
                .now = TimeSinceBoot,
                .start_checks = [](StartChecks) {},
                .start_tries = [](StartTries) {},
                .start_unit = [](StartUnitNow) {},
                .send =
                    [this](const Message& message) {
                      const std::lock_guard lock(mutex);
                      said.push_back(message);
                    },
                .hang_up = [this](const std::string&) { ++hang_ups; },
                .log = [](const std::string&) {}}) {}

  MemoryFence fence{[] { return absl::UnixEpoch() + TimeSinceBoot(); }};
  std::mutex mutex;
  std::vector<Message> said;
  std::atomic<int> hang_ups = 0;
  Driver driver;
};

Event Isolation(const std::string& id) {
  return OrderReceived{
      {.id = OrderId(id), .epoch = 1, .what = IsolateHost{"drill"}}};
}

TEST_F(StateDirectory, SurvivesTheProcess) {
  {
    auto store = FileStateStore::Open(directory());
    ASSERT_TRUE(store.ok());
    World world(&*store);
    world.driver.Start("boot-1", 1);
    world.driver.Post(LinkConnected{});
    world.driver.Post(LinkWelcomed{1, "one", "city-utility"});
    world.driver.Post(Isolation("r/1/0"));
    world.driver.Drain();
    EXPECT_EQ(world.fence.Read()->mode, Mode::kQuarantined);
  }
  auto store = FileStateStore::Open(directory());
  ASSERT_TRUE(store.ok());
  World world(&*store);  // a kernel that forgot everything
  world.driver.Start("boot-2", 1);
  EXPECT_EQ(world.fence.Read()->mode, Mode::kQuarantined);
  EXPECT_EQ(world.driver.state().quarantine_number, 1u);
}

TEST_F(StateDirectory, ThatIsCorruptQuarantinesAndIsKeptAside) {
  auto store = FileStateStore::Open(directory());
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE(store->Save("sluice agent state 1\nserial").ok());
  World world(&*store);
  world.driver.Start("boot-1", 1'795'000'000);
  EXPECT_EQ(world.fence.Read()->mode, Mode::kQuarantined);
  EXPECT_TRUE(std::filesystem::exists(directory() + "/state.unreadable"));
  EXPECT_TRUE(AgentState::Decode(*store->Load()).ok());
}

TEST_F(StateDirectory, LetsRootIsolateWithoutAnAgent) {
  MemoryFence fence([] { return absl::UnixEpoch() + TimeSinceBoot(); });
  const auto done =
      IsolateNow(Options(), {.host = Options().host, .state = directory()},
                 fence, [](const std::string&) {});
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_THAT(*done, HasSubstr("in its quarantine 1"));
  EXPECT_EQ(fence.Read()->mode, Mode::kQuarantined);
  const auto again =
      IsolateNow(Options(), {.host = Options().host, .state = directory()},
                 fence, [](const std::string&) {});
  EXPECT_THAT(*again, HasSubstr("in its quarantine 2"));
}

TEST(ServiceManager, HearsThatItIsReadyOnceAndWhyNotBefore) {
  std::vector<std::string> told;
  Readiness readiness([&](const std::string& lines) { told.push_back(lines); });
  AgentState state{.mode = Mode::kQuarantined, .quarantine_number = 3};
  readiness.Judge("nftables refuses it:\nno", state);
  readiness.Judge("nftables refuses it:\nno", state);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_THAT(told[0], HasSubstr("STATUS=NOT isolated as it should be: "
                                 "nftables refuses it: no."));
  EXPECT_THAT(told[1], HasSubstr("EXTEND_TIMEOUT_USEC="));
  for (const std::string& lines : told) {
    EXPECT_THAT(lines, Not(HasSubstr("READY")));
  }
  readiness.Judge("", state);
  readiness.Judge("", state);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[2],
            "READY=1\nSTATUS=In quarantine 3; the fence was read back from "
            "the kernel.\n");
  readiness.Judge("there is no fence", state);
  EXPECT_THAT(told.back(), HasSubstr("there is no fence"));
  EXPECT_THAT(told.back(), Not(HasSubstr("EXTEND")));
}

TEST(ServiceManager, LetsABootGoOnWhenAHostThatIsOpenHasNoKernelRules) {
  std::vector<std::string> told;
  Readiness readiness([&](const std::string& lines) { told.push_back(lines); });
  readiness.Judge("no nf_tables", AgentState());
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0], HasSubstr("STATUS=The kernel's rules cannot be read"));
  EXPECT_THAT(told[0], Not(HasSubstr("EXTEND")));
}

TEST(Driver, LetsAnIsolationOvertakeAllThatWaits) {
  MemoryStateStore store;
  World world(&store);
  world.driver.Start("boot-1", 1);
  world.driver.Post(LinkConnected{});
  world.driver.Post(LinkWelcomed{1, "one", "city-utility"});
  world.driver.Drain();
  for (int i = 0; i < 1000; ++i) {
    world.driver.Post(OrderReceived{{.id = OrderId(absl::StrCat("r/", i, "/0")),
                                     .epoch = 1,
                                     .what = ReadFence{}}});
  }
  world.driver.Post(Isolation("r/9999/0"));
  world.driver.Drain();
  // The others, given before it, were carried out on an isolated host.
  int reports = 0;
  for (const Message& message : world.said) {
    const auto* report = std::get_if<Report>(&message);
    if (report == nullptr) continue;
    ++reports;
    EXPECT_EQ(report->fence.mode, Mode::kQuarantined) << report->order.str();
  }
  EXPECT_EQ(reports, 1001);
}

// A store whose disk does not answer.
class HangingStore : public MemoryStateStore {
 public:
  absl::Status Save(absl::string_view text) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !hangs_; });
    return MemoryStateStore::Save(text);
  }
  void set_hangs(bool hangs) {
    {
      const std::lock_guard lock(mutex_);
      hangs_ = hangs;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool hangs_ = false;  // guarded by mutex_
};

TEST(Driver, IsolatesAndAnswersThoughItsDiskHangs) {
  HangingStore store;
  World world(&store);
  world.driver.Start("boot-1", 1);
  store.set_hangs(true);
  std::thread thread([&] { world.driver.Run(); });
  world.driver.Post(LinkConnected{});
  world.driver.Post(LinkWelcomed{1, "one", "city-utility"});
  world.driver.Post(Isolation("r/1/0"));
  const auto answer = [&]() -> std::optional<Report> {
    const std::lock_guard lock(world.mutex);
    for (const Message& message : world.said) {
      if (const auto* report = std::get_if<Report>(&message)) return *report;
    }
    return std::nullopt;
  };
  while (!answer().has_value()) std::this_thread::yield();
  EXPECT_EQ(answer()->outcome, Outcome::kDone);
  EXPECT_EQ(answer()->fence.mode, Mode::kQuarantined);
  EXPECT_THAT(answer()->reason, HasSubstr("not written down"));
  world.driver.Stop();
  thread.join();
  store.set_hangs(false);
}

// Heartbeats at the front, all else through the loop; one thread at a time in
// the core, whoever it is.
TEST(Driver, AnswersHeartbeatsWhereTheyComeInWhileItRests) {
  MemoryStateStore store;
  std::atomic<int> inside = 0;
  std::atomic<int> together = 0;
  std::atomic<int> heartbeats = 0;
  std::atomic<int> reports = 0;
  thread_local int here = 0;  // answers sent by this thread
  MemoryFence fence([] { return absl::UnixEpoch() + TimeSinceBoot(); });
  Driver driver(Options(),
                {.fence = &fence,
                 .store = &store,
                 .now = TimeSinceBoot,
                 .start_checks = [](StartChecks) {},
                 .start_tries = [](StartTries) {},
                 .start_unit = [](StartUnitNow) {},
                 .send =
                     [&](const Message& message) {
                       if (++inside > 1) ++together;
                       if (std::holds_alternative<Report>(message)) {
                         ++reports;
                       }
                       if (std::holds_alternative<Heartbeat>(message)) {
                         ++here;
                         ++heartbeats;
                       }
                       std::this_thread::yield();
                       --inside;
                     },
                 .hang_up = [](const std::string&) {},
                 .log = [](const std::string&) {}});
  driver.Start("boot-1", 1);
  std::thread loop([&] { driver.Run(); });
  driver.Post(LinkConnected{});
  driver.Post(LinkWelcomed{1, "one", "city-utility"});
  int sent = 0;
  // The loop is given more and more time to come to rest.
  while (here == 0 && sent < 2000) {
    driver.Post(RenewalReceived{.epoch = 1});
    ++sent;
    while (heartbeats < sent) std::this_thread::yield();
    for (int i = 0; i < sent; ++i) std::this_thread::yield();
  }
  EXPECT_GT(here, 0) << "no heartbeat of " << sent << " found the loop at rest";
  constexpr int kThreads = 4;
  constexpr int kEach = 1000;
  std::barrier all(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        // All at once, and in the first rounds at a loop that has come to rest.
        all.arrive_and_wait();
        driver.Post(RenewalReceived{.epoch = 1});
        while (i < 200 && heartbeats < sent + (i + 1) * kThreads) {
          std::this_thread::yield();
        }
        for (int k = 0; i < 200 && k < 20; ++k) std::this_thread::yield();
        if (i % 100 != 0) continue;
        const OrderId id(absl::StrCat("r/", t * kEach + i, "/0"));
        driver.Post(OrderReceived{{.id = id, .epoch = 1, .what = ReadFence{}}});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  while (heartbeats < sent + kThreads * kEach ||
         reports < kThreads * kEach / 100) {
    std::this_thread::yield();
  }
  EXPECT_EQ(together, 0);
  driver.Stop();
  loop.join();
}

TEST(Driver, DropsTheLinkWhenOrdersComeFasterThanItCanTakeThem) {
  MemoryStateStore store;
  World world(&store);
  world.driver.Start("boot-1", 1);
  for (int i = 0; i < 20'000; ++i) {
    world.driver.Post(OrderReceived{
        {.id = OrderId("r/1/0"), .epoch = 1, .what = ReadFence{}}});
  }
  world.driver.Drain();
  EXPECT_GE(world.hang_ups, 1);
}

TEST(Driver, RunsUntilItIsStoppedAndLeavesTheFenceAsItIs) {
  MemoryStateStore store;
  World world(&store);
  world.driver.Start("boot-1", 1);
  std::thread thread([&] { world.driver.Run(); });
  world.driver.Post(LinkConnected{});
  world.driver.Post(LinkWelcomed{1, "one", "city-utility"});
  world.driver.Post(Isolation("r/1/0"));
  const auto answered = [&] {
    const std::lock_guard lock(world.mutex);
    return world.said.size() >= 2;  // hello and report
  };
  while (!answered()) std::this_thread::yield();
  world.driver.Stop();
  thread.join();
  EXPECT_EQ(world.fence.Read()->mode, Mode::kQuarantined);
}

}  // namespace
}  // namespace sluice::agent
