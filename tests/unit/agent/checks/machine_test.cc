// Checks of the machine and scans, with programs of our own making in the
// place of the system's, and a real gRPC server.

#include <gmock/gmock.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/checks/check.h"
#include "agents/checks/hung.h"
#include "tests/unit/agent/checks/local_server.h"

namespace sluice::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Machine : public ::testing::Test {
 protected:
  Machine() { std::filesystem::create_directories(folder_); }
  ~Machine() override { std::filesystem::remove_all(folder_); }

  std::string Program(const std::string& name, const std::string& script) {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms(0755));
    return path.string();
  }
  CheckResult Run(const std::string& kind,
                  std::map<std::string, std::string> args) {
    const Stop stop;
    return RunCheck(
        {.kind = kind, .args = std::move(args), .timeout = absl::Seconds(5)},
        context_, stop);
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() /
      absl::StrCat("sluice-machine-", getpid());
  CheckContext context_;
};

TEST_F(Machine, UnitsAreActiveOrNot) {
  context_.systemctl = Program("systemctl", R"(
case "$2" in
  good.service) echo active ;;
  bad.service) echo failed; exit 3 ;;
  none.service) echo inactive; exit 3 ;;
  *) echo "System has not been booted with systemd" >&2; exit 1 ;;
esac)");
  EXPECT_EQ(Run("systemd", {{"unit", "good.service"}}).verdict, Verdict::kPass);
  EXPECT_EQ(Run("systemd", {{"unit", "bad.service"}}).reason,
            "bad.service is failed");
  EXPECT_EQ(Run("systemd", {{"unit", "none.service"}}).verdict, Verdict::kFail);
  EXPECT_EQ(Run("systemd", {{"unit", "x.service"}}).verdict,
            Verdict::kInconclusive);
  EXPECT_EQ(Run("systemd", {{"unit", "--root=/tmp"}}).verdict,
            Verdict::kInconclusive);
  context_.systemctl = "/no/systemctl";
  EXPECT_EQ(Run("systemd", {{"unit", "good.service"}}).verdict,
            Verdict::kInconclusive);
}

TEST_F(Machine, ProcessesAreCountedByNameAndUser) {
  context_.proc = folder_.string();
  for (const char* id : {"17", "18", "19"}) {
    std::filesystem::create_directories(folder_ / id);
    std::ofstream(folder_ / id / "comm") << "billing-engine-\n";
    std::ofstream(folder_ / id / "cmdline")
        << "/opt/billing-engine-" << id << '\0' << "-v";
  }
  std::ofstream(folder_ / "19" / "comm") << "engine\n";
  EXPECT_EQ(Run("process", {{"name", "engine"}}).verdict, Verdict::kPass);
  EXPECT_EQ(Run("process", {{"name", "billing-engine-17"}}).verdict,
            Verdict::kPass);
  EXPECT_EQ(Run("process", {{"name", "billing-engine-20"}}).verdict,
            Verdict::kFail);
  EXPECT_EQ(Run("process", {{"name", "engine"}, {"min", "2"}}).reason,
            "1 of engine run, at least 2 should");
  EXPECT_EQ(Run("process", {{"name", "engine"}, {"user", "daemon"}}).verdict,
            Verdict::kFail);
  EXPECT_THAT(
      Run("process", {{"name", "engine"}, {"user", "no-such-user"}}).reason,
      HasSubstr("no user"));
}

TEST_F(Machine, WhatIsNotMountedFailsAndTheRootIs) {
  EXPECT_EQ(Run("mount", {{"path", folder_.string()}}).verdict, Verdict::kFail);
  EXPECT_EQ(Run("mount", {{"path", "/proc/"}}).reason, "/proc is mounted");
  EXPECT_EQ(Run("mount", {{"path", "proc"}}).verdict, Verdict::kInconclusive);
  context_.proc = folder_.string();  // a mount that is there no more
  std::filesystem::create_directories(folder_ / "self");
  std::ofstream(folder_ / "self/mountinfo")
      << "22 1 0:1 / /no/such\\040place rw - nfs server:/ rw\n";
  EXPECT_THAT(Run("mount", {{"path", "/no/such place"}}).reason,
              HasSubstr("does not answer"));
}

// What reads for a check reads attackers' files, and is believed as little.
TEST_F(Machine, AReaderThatGivesNoAnswerIsInconclusive) {
  const auto ask = [&](const std::string& script, int seconds = 5) {
    context_.reader = {Program("reader", script)};
    const Stop stop;
    return RunCheck({.kind = "mount",
                     .args = {{"path", "/proc"}},
                     .timeout = absl::Seconds(seconds)},
                    context_, stop);
  };
  const std::string all = R"("reason":"r","details":["d"]})";
  EXPECT_EQ(ask(absl::StrCat(R"(echo '{"verdict":0,)", all, "'")),
            (CheckResult{Verdict::kPass, "r", "", {"d"}}));
  EXPECT_EQ(ask(absl::StrCat(R"(echo '{"verdict":1,)", all, "'")).verdict,
            Verdict::kFail);
  for (const char* script :
       {"exit 0", "echo pass", R"(echo '{"verdict":0}')",
        R"(echo '{"verdict":7,"reason":"r","details":[]}')",
        R"(echo '{"verdict":0,"reason":"r","details":[[]]}')",
        R"(echo '{"verdict":0,"reason":"r","details":[]}'; exit 1)",
        "head -c 65000 /dev/zero | tr '\\0' '['", "head -c 1000000 /dev/zero",
        "kill -9 $$"}) {
    EXPECT_EQ(ask(script).verdict, Verdict::kInconclusive) << script;
  }
  EXPECT_THAT(ask("echo -n /srv/x >&2; kill -9 $$").reason,
              HasSubstr("ended by signal Killed at /srv/x"));
  const absl::Time began = absl::Now();
  EXPECT_THAT(
      ask("trap '' TERM; echo -n /srv/x >&2; while :; do :; done", 1).reason,
      HasSubstr("/srv/x did not answer within 1s"));
  EXPECT_LT(absl::Now() - began, absl::Seconds(30));
  context_.reader = {"/no/reader"};
  EXPECT_THAT(Run("process", {{"name", "x"}}).reason,
              HasSubstr("could not be started"));
}

TEST(Hung, ProcessesCountUntilTheyEnd) {
  HungProcesses hung;
  const auto start = [&](const std::string& what) {
    const pid_t pid = fork();
    if (pid == 0) {
      pause();
      _exit(0);
    }
    hung.Add(what, "/srv/x",
             {static_cast<int>(syscall(SYS_pidfd_open, pid, 0))}, pid);
    return pid;
  };
  std::vector<pid_t> all;
  for (size_t i = 0; i < HungProcesses::kMost; ++i) {
    EXPECT_TRUE(hung.MayStart("another").ok()) << i;
    all.push_back(start(absl::StrCat(i)));
    EXPECT_EQ(hung.Count(), i + 1);
  }
  EXPECT_THAT(std::string(hung.MayStart("another").message()),
              HasSubstr("10 processes of checks hang"));
  EXPECT_THAT(std::string(hung.MayStart("3").message()),
              HasSubstr("/srv/x still does not answer"));
  kill(all[3], SIGKILL);
  while (hung.Count() == HungProcesses::kMost) std::this_thread::yield();
  EXPECT_TRUE(hung.MayStart("3").ok());
  EXPECT_FALSE(hung.MayStart("4").ok());
  for (const pid_t pid : all) kill(pid, SIGKILL);
  while (hung.Count() > 0) std::this_thread::yield();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // each was reaped
}

TEST(Clock, IsJudgedByWhatItsTimeServiceSays) {
  const auto judge = [](bool kept, int offset_ms, int uncertain_ms) {
    return JudgeClock(kept, absl::Milliseconds(offset_ms),
                      absl::Milliseconds(uncertain_ms), absl::Milliseconds(500))
        .verdict;
  };
  EXPECT_EQ(judge(true, -3, 10), Verdict::kPass);
  EXPECT_EQ(judge(true, -700, 10), Verdict::kFail);
  EXPECT_EQ(judge(true, 3, 600), Verdict::kInconclusive);
  EXPECT_EQ(judge(false, 0, 0), Verdict::kInconclusive);
}

TEST_F(Machine, PackagesAreAsTheyCameOrNamed) {
  context_.dpkg = Program("dpkg", "exit 0");
  EXPECT_EQ(Run("packages", {{"verify", "true"}}).verdict, Verdict::kPass);
  context_.dpkg = Program("dpkg", "echo '??5?????? c /etc/motd'; exit 2");
  EXPECT_THAT(
      Run("packages", {{"verify", "true"}}).reason,
      AllOf(HasSubstr("weak evidence"), HasSubstr("1 configuration files")));
  context_.dpkg = Program("dpkg",
                          "echo '??5?????? c /etc/motd'\n"
                          "echo '??5??????   /usr/bin/ls'\n"
                          "echo 'missing     /usr/bin/ps'; exit 2");
  EXPECT_EQ(Run("packages", {{"verify", "true"}}).reason,
            "not as their packages brought them: /usr/bin/ls, /usr/bin/ps");
  context_.dpkg = Program("dpkg", "echo 'dpkg: error: lock'; exit 2");
  EXPECT_EQ(Run("packages", {{"verify", "true"}}).verdict,
            Verdict::kInconclusive);
  context_.dpkg = Program("dpkg", "while :; do echo '??5??????   /a'; done");
  EXPECT_THAT(Run("packages", {{"verify", "true"}}).verdict,
              Verdict::kInconclusive);  // it never ended
  context_.dpkg = "/no/dpkg";
  context_.rpm = Program("rpm", "echo 'S.5....T.    /usr/bin/ls'; exit 1");
  EXPECT_THAT(Run("packages", {{"verify", "true"}}).reason,
              HasSubstr("/usr/bin/ls"));
}

TEST_F(Machine, ACheckHasBoundsOnItsMemory) {
  context_.plugins["greedy"] = {
      {"/usr/bin/python3", "-Sc",
       "import time; time.sleep(0.3); b = bytearray(3 << 30); print('got it')"},
      absl::Seconds(5)};
  const CheckResult result = Run("plugin", {{"name", "greedy"}});
  EXPECT_NE(result.verdict, Verdict::kPass) << result.reason;
}

TEST_F(Machine, APluginRunsAsTheUserThatTheHostNames) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  context_.plugins["who"] = {
      {"/usr/bin/id", "-un"}, absl::Seconds(5), "nobody"};
  EXPECT_EQ(Run("plugin", {{"name", "who"}}).reason, "nobody");
  context_.plugins["who"].user = "root";
  EXPECT_EQ(Run("plugin", {{"name", "who"}}).reason, "root");
  context_.plugins["who"].user = "no-such-user";
  EXPECT_NE(Run("plugin", {{"name", "who"}}).verdict, Verdict::kPass);
}

TEST_F(Machine, UdpAnswersOrNot) {
  LocalSocket socket(SOCK_DGRAM);
  std::thread echo([&] {
    char buffer[100];
    for (int i = 0; i < 2; ++i) {
      sockaddr_in from = {};
      socklen_t size = sizeof from;
      const ssize_t got = recvfrom(socket.fd(), buffer, sizeof buffer, 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
      sendto(socket.fd(), buffer, static_cast<size_t>(got), 0,
             reinterpret_cast<sockaddr*>(&from), size);
    }
  });
  const std::string port = absl::StrCat(socket.port());
  EXPECT_EQ(Run("udp", {{"port", port}, {"send", "hello"}, {"contains", "ell"}})
                .verdict,
            Verdict::kPass);
  EXPECT_THAT(
      Run("udp", {{"port", port}, {"send", "hello"}, {"contains", "bye"}})
          .reason,
      HasSubstr("answers without 'bye'"));
  echo.join();
  uint16_t closed = 0;
  {
    const LocalSocket gone(SOCK_DGRAM);
    closed = gone.port();
  }
  EXPECT_THAT(
      Run("udp", {{"port", absl::StrCat(closed)}, {"send", "x"}}).reason,
      HasSubstr("refuses"));
}

TEST_F(Machine, GrpcServicesSayThatTheyServe) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  const auto queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  grpc::HealthCheckServiceInterface* health = server->GetHealthCheckService();
  health->SetServingStatus("billing", true);
  const std::string at = absl::StrCat(port);
  EXPECT_EQ(Run("grpc", {{"port", at}}).verdict, Verdict::kPass);
  EXPECT_EQ(Run("grpc", {{"port", at}, {"service", "billing"}}).verdict,
            Verdict::kPass);
  EXPECT_THAT(Run("grpc", {{"port", at}, {"service", "other"}}).reason,
              HasSubstr("knows no service 'other'"));
  health->SetServingStatus("billing", false);
  EXPECT_EQ(Run("grpc", {{"port", at}, {"service", "billing"}}).verdict,
            Verdict::kFail);
  server->Shutdown();
  queue->Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) {
  }
  EXPECT_EQ(Run("grpc", {{"port", at}}).verdict, Verdict::kFail);
}

}  // namespace
}  // namespace sluice::agent
