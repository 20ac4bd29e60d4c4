// Comes up without agent.yaml, or beside another command.

#include "agents/host/kept_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "agents/host/isolate_command.h"
#include "agents/host/state_store.h"
#include "agents/isolation/memory_fence.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;

constexpr char kHost[] = R"(estate: city-utility
host: db-1
orchestrators: ["10.77.0.1:7443"]
certificate: agent.crt
key: agent.key
authority: /etc/sluice/ca.crt
management: [tcp 10.77.0.11 10.77.0.1 7443]
vital: ["tcp 10.77.0.11 10.77.0.3 3260"]
units: {postgresql.service: {}}
plugins: {check_pgsql: {command: [/usr/lib/nagios/plugins/check_pgsql]}}
yara: {webshells: {rules: webshells.yar, paths: [/var/www]}}
baselines: {cron: {paths: [/etc/crontab]}}
approvers:
  owner: {roles: [system-owner], key: "KEY"}
quorum: {system-owner: 1}
break-glass: {key: "KEY"}
)";
// As ssh-keygen makes them.
constexpr char kKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3f9WBvlE4vgjmM"
    "u4rG+sDleO0UbmGS26IGHN802hDs";

class KeptConfig : public ::testing::Test {
 protected:
  KeptConfig()
      : directory_(std::filesystem::temp_directory_path() /
                   absl::StrCat("sluice-kept-", getpid())),
        path_((directory_ / "agent.yaml").string()),
        text_(absl::StrReplaceAll(kHost, {{"KEY", kKey}})) {
    std::filesystem::create_directories(directory_);
    Write(text_);
  }
  ~KeptConfig() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& text) {
    std::ofstream(path_, std::ios::trunc) << text;
  }

  const std::filesystem::path directory_;
  const std::string path_;
  const std::string text_;
};

TEST_F(KeptConfig, IsNotLookedAtWhileTheFileIsGood) {
  ASSERT_TRUE(KeepConfig(path_, "not a word of yaml: [").ok());
  const auto start = ReadStartConfig(path_);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_EQ(start->config.suspended, "");
  EXPECT_EQ(start->config.approvers.size(), 1u);
  EXPECT_EQ(start->text, text_);
}

TEST_F(KeptConfig, ClosesAndBelievesNobodyWhenTheFileIsDamaged) {
  ASSERT_TRUE(KeepConfig(path_, text_).ok());
  Write(text_.substr(0, text_.size() / 2));
  EXPECT_FALSE(ReadOwnConfig(path_).ok());
  const auto start = ReadStartConfig(path_);
  ASSERT_TRUE(start.ok()) << start.status();
  const AgentConfig& config = start->config;
  EXPECT_EQ(config.host, HostId("db-1"));
  EXPECT_EQ(config.vital.size(), 1u);
  EXPECT_THAT(config.suspended, HasSubstr("cannot use its agent.yaml"));
  EXPECT_THAT(config.suspended, HasSubstr(path_));
  EXPECT_TRUE(config.approvers.empty() && config.quorum.empty() &&
              config.break_glass.empty() && config.units.empty() &&
              config.plugins.empty() && config.yara.empty() &&
              config.baselines.empty());
  // Relative paths are the file's own, not the copy's.
  EXPECT_EQ(config.certificate, (directory_ / "agent.crt").string());
  EXPECT_EQ(CoreOptionsOf(config, "test").trust.suspended, config.suspended);
}

TEST_F(KeptConfig, StandsInForAFileThatIsGone) {
  ASSERT_TRUE(KeepConfig(path_, text_).ok());
  std::filesystem::remove(path_);
  EXPECT_TRUE(ReadStartConfig(path_).ok());
}

TEST_F(KeptConfig, IsOnlyRootsAndWrittenOnlyWhenItChanges) {
  ASSERT_TRUE(KeepConfig(path_, text_).ok());
  const std::filesystem::path copy = KeptConfigPath(path_);
  EXPECT_EQ(std::filesystem::status(copy).permissions(),
            std::filesystem::perms(0600));
  const auto written =
      std::filesystem::last_write_time(copy) - std::chrono::hours(1);
  std::filesystem::last_write_time(copy, written);
  ASSERT_TRUE(KeepConfig(path_, text_).ok());
  EXPECT_EQ(std::filesystem::last_write_time(copy), written);
}

TEST_F(KeptConfig, ThatIsDamagedTooLeavesTheErrorOfTheFile) {
  ASSERT_TRUE(KeepConfig(path_, "a: [").ok());
  Write("b: [");
  const auto start = ReadStartConfig(path_);
  EXPECT_EQ(start.status(), ReadConfig(path_).status());
}

// Two commands at once, and no agent: neither ends the other.
TEST_F(KeptConfig, AnIsolationWaitsForAnotherCommandAndThenDoesIt) {
  sigset_t told;
  sigemptyset(&told);
  sigaddset(&told, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &told, nullptr);  // as the program does
  auto held = FileStateStore::Open(directory_.string());
  ASSERT_TRUE(held.ok()) << held.status();
  std::optional<FileStateStore> other(*std::move(held));
  MemoryFence fence([] { return absl::Now(); });
  const AgentConfig config = *ReadConfig(path_);
  std::thread ends([&] {
    // Told that it should isolate, as if it were the agent.
    int number = 0;
    sigwait(&told, &number);
    other.reset();
  });
  const auto done =
      IsolateNow(CoreOptionsOf(config, "test"),
                 {.host = config.host, .state = directory_.string()}, fence,
                 [](const auto&) {});
  ends.join();
  EXPECT_THAT(done.value_or(std::string(done.status().message())),
              HasSubstr("is in its quarantine"));
  EXPECT_EQ(fence.Read()->mode, Mode::kQuarantined);
}

}  // namespace
}  // namespace sluice::agent
