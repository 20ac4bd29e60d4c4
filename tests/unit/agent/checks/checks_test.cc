#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/checks/check.h"
#include "agents/checks/process.h"
#include "agents/checks/try_flow.h"
#include "agents/checks/workers.h"
#include "tests/unit/agent/checks/local_server.h"

namespace sluice::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A port that was free a moment ago and on which nothing listens.
uint16_t ClosedPort() { return LocalSocket(SOCK_STREAM).port(); }

CheckSpec Spec(const std::string& kind,
               std::map<std::string, std::string> args) {
  return {.kind = kind,
          .args = std::move(args),
          .timeout = absl::Seconds(3),
          .attempts = 1,
          .between = absl::Milliseconds(10)};
}

CheckResult RunIt(const CheckSpec& spec, const CheckContext& context = {}) {
  const Stop stop;
  return RunCheckWithRetries(spec, context, stop);
}

TEST(Check, OfAnUnknownKindIsInconclusive) {
  const CheckResult result = RunIt(Spec("telepathy", {}));
  EXPECT_EQ(result.verdict, Verdict::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("does not know checks of kind"));
}

TEST(Tcp, PassesWhereSomethingListensAndFailsWhereNothingDoes) {
  LocalSocket socket(SOCK_STREAM);
  socket.Listen();
  EXPECT_EQ(RunIt(Spec("tcp", {{"port", absl::StrCat(socket.port())}})).verdict,
            Verdict::kPass);
  const CheckResult closed =
      RunIt(Spec("tcp", {{"port", absl::StrCat(ClosedPort())}}));
  EXPECT_EQ(closed.verdict, Verdict::kFail);
  EXPECT_THAT(closed.reason, HasSubstr("refuses"));
}

TEST(Tcp, LooksAtTheHostsOwnAddressFirst) {
  LocalSocket socket(SOCK_STREAM, "127.9.9.9");
  socket.Listen();
  const CheckResult result =
      RunIt(Spec("tcp", {{"port", absl::StrCat(socket.port())}}),
            {.addresses = {*Prefix::Parse("127.9.9.9")}});
  EXPECT_EQ(result.verdict, Verdict::kPass);
  EXPECT_THAT(result.reason, HasSubstr("127.9.9.9:"));
}

TEST(Tcp, WithoutAPortIsInconclusive) {
  EXPECT_EQ(RunIt(Spec("tcp", {{"port", "postgres"}})).verdict,
            Verdict::kInconclusive);
}

TEST(Retries, GoOnUntilTheCheckPasses) {
  const auto marker = std::filesystem::temp_directory_path() /
                      absl::StrCat("sluice-retries-", getpid());
  std::filesystem::remove(marker);
  const CheckContext context{
      .plugins = {
          {"second",
           {{"/bin/sh", "-c",
             absl::StrCat("test -e ", marker.string(), " && exit 0; touch ",
                          marker.string(), "; exit 2")},
            absl::Seconds(3)}}}};
  CheckSpec spec = Spec("plugin", {{"name", "second"}});
  spec.attempts = 3;
  EXPECT_EQ(RunIt(spec, context).verdict, Verdict::kPass);
  std::filesystem::remove(marker);
}

TEST(Http, JudgesStatusAndBody) {
  const LocalServer server(
      "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nready: 42 rows");
  const std::string port = absl::StrCat(server.port());
  EXPECT_EQ(RunIt(Spec("http", {{"port", port}, {"path", "/ready"}})).verdict,
            Verdict::kPass);
  EXPECT_THAT(server.asked(), HasSubstr("GET /ready HTTP/1.1"));
  EXPECT_EQ(
      RunIt(Spec("http", {{"port", port}, {"contains", "42 rows"}})).verdict,
      Verdict::kPass);
  EXPECT_EQ(
      RunIt(Spec("http", {{"port", port}, {"contains", "43 rows"}})).verdict,
      Verdict::kFail);
  const CheckResult other =
      RunIt(Spec("http", {{"port", port}, {"expect", "204"}}));
  EXPECT_EQ(other.verdict, Verdict::kFail);
  EXPECT_THAT(other.reason, HasSubstr("answered 200, expected 204"));
}

TEST(Http, ReadsAnAnswerThatComesInPieces) {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well";
  const size_t head = answer.find("all");
  for (const size_t alone : {size_t{1}, size_t{20}, head - 2, head, head + 3}) {
    const LocalServer server(answer, alone);
    const CheckResult result =
        RunIt(Spec("http", {{"port", absl::StrCat(server.port())},
                            {"contains", "is well"}}));
    EXPECT_EQ(result.verdict, Verdict::kPass) << alone << ": " << result.reason;
  }
}

// What an orchestrator may make a host ask is the host itself.
TEST(Http, AsksNoOtherAddressThanItsOwn) {
  const LocalServer server("HTTP/1.1 200 OK\r\n\r\n");
  const auto ask = [&](const std::string& address,
                       const CheckContext& context) {
    return RunIt(Spec("http", {{"port", absl::StrCat(server.port())},
                               {"address", address}}),
                 context)
        .verdict;
  };
  CheckContext context;
  EXPECT_EQ(ask("127.0.0.1", context), Verdict::kPass);
  EXPECT_EQ(ask("127.0.0.9", context), Verdict::kInconclusive);
  EXPECT_EQ(ask("203.0.113.66", context), Verdict::kInconclusive);
  context.addresses = {*Prefix::Parse("127.0.0.1")};
  context.elsewhere = "plc-1";
  EXPECT_EQ(ask("127.0.0.1", context), Verdict::kPass);
  EXPECT_EQ(ask("::1", context), Verdict::kInconclusive);
}

TEST(Http, FollowsNoRedirect) {
  const LocalServer server(
      "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n"
      "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(
      RunIt(Spec("http", {{"port", absl::StrCat(server.port())}})).verdict,
      Verdict::kFail);
}

TEST(Http, ReadsNoMoreThanItNeedsOfAnEndlessBody) {
  const LocalServer server("HTTP/1.1 200 OK\r\n\r\n" +
                           std::string(4 << 20, 'x'));
  EXPECT_EQ(
      RunIt(Spec("http", {{"port", absl::StrCat(server.port())}})).verdict,
      Verdict::kPass);
}

TEST(Http, BelievesNoLengthThatIsAnnounced) {
  const LocalServer endless(
      "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nready" +
      std::string(1 << 20, 'x'));
  const CheckSpec spec = Spec(
      "http", {{"port", absl::StrCat(endless.port())}, {"contains", "ready"}});
  EXPECT_EQ(RunIt(spec).verdict, Verdict::kPass);
  const LocalServer cut(
      "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nready");
  EXPECT_THAT(RunIt(Spec("http", {{"port", absl::StrCat(cut.port())}})).reason,
              HasSubstr("is no HTTP (partial message)"));
}

TEST(Http, FailsWhereSomethingElseAnswers) {
  const LocalServer server("SSH-2.0-OpenSSH_9.2\r\n");
  const CheckResult result =
      RunIt(Spec("http", {{"port", absl::StrCat(server.port())}}));
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_THAT(result.reason, HasSubstr("is no HTTP"));
}

TEST(Http, AsksForNothingElseThanItsPath) {
  const LocalServer server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  for (const char* path : {"/a HTTP/1.1\r\nX: y", "/a b", "a"}) {
    EXPECT_EQ(RunIt(Spec("http", {{"port", absl::StrCat(server.port())},
                                  {"path", path}}))
                  .verdict,
              Verdict::kInconclusive);
  }
  EXPECT_EQ(server.asked(), "");
}

TEST(Http, FailsWhereNothingListens) {
  const CheckResult result =
      RunIt(Spec("http", {{"port", absl::StrCat(ClosedPort())}}));
  EXPECT_EQ(result.verdict, Verdict::kFail);
}

CheckResult RunPlugin(const std::string& script,
                      absl::Duration timeout = absl::Seconds(5)) {
  const CheckContext context{
      .plugins = {{"check_it", {{"/bin/sh", "-c", script}, timeout}}}};
  CheckSpec spec = Spec("plugin", {{"name", "check_it"}});
  spec.timeout = absl::Seconds(30);
  return RunIt(spec, context);
}

TEST(Plugin, ExitCodesAreVerdictsAndTheFirstLineIsWhy) {
  EXPECT_EQ(RunPlugin("echo 'OK - 12 invoices|n=12'; echo more"),
            (CheckResult{Verdict::kPass, "OK - 12 invoices", "", {"n = 12"}}));
  EXPECT_EQ(RunPlugin("echo slow; exit 1").verdict, Verdict::kInconclusive);
  EXPECT_EQ(RunPlugin("echo CRITICAL; exit 2"),
            (CheckResult{Verdict::kFail, "CRITICAL", ""}));
  EXPECT_EQ(RunPlugin("echo what; exit 3").verdict, Verdict::kInconclusive);
  EXPECT_EQ(RunPlugin("exit 4").verdict, Verdict::kInconclusive);
  EXPECT_EQ(RunPlugin("kill -9 $$").verdict, Verdict::kInconclusive);
}

TEST(Plugin, WhatItMeasuredIsInTheDetails) {
  EXPECT_THAT(
      RunPlugin("printf \"%s\\n\" "
                "\"DISK OK | '/' = 3 '/var log'=12MB;50;60;0;99 'it''s'=U\" "
                "'more text | load1=0.21;;10' 'load5=0.18'")
          .details,
      ElementsAre("/var log = 12MB (warning 50, critical 60)",
                  "it's = not known", "load1 = 0.21 (critical 10)",
                  "load5 = 0.18"));
  EXPECT_THAT(RunPlugin("echo 'OK | none = = =x ;;; a= b'").details, IsEmpty());
  // An output that never ends a quote, and one with no end of labels.
  EXPECT_THAT(RunPlugin("echo \"OK | 'a=1\"").details, IsEmpty());
  EXPECT_EQ(RunPlugin("echo \"OK |$(seq -f ' l%g=1' 1 999 | tr -d '\\n')\"")
                .details.size(),
            16u);
}

TEST(Plugin, ThatIsNotInTheHostsOwnFileDoesNotRun) {
  const CheckResult result = RunIt(Spec("plugin", {{"name", "/bin/true"}}));
  EXPECT_EQ(result.verdict, Verdict::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("agent.yaml"));
}

// Whether the process whose number stands in the file is gone, or soon is.
bool IsGone(const std::filesystem::path& file) {
  pid_t process = 0;
  std::ifstream(file) >> process;
  if (process <= 0) return false;  // it never ran
  std::string state = "R";
  for (int i = 0; i < 500; ++i) {
    if (kill(process, 0) != 0) return true;
    std::ifstream stat(absl::StrCat("/proc/", process, "/stat"));
    std::string pid, name;
    stat >> pid >> name >> state;
    if (state == "Z") return true;
    absl::SleepFor(absl::Milliseconds(10));  // polls another process
  }
  return false;
}

TEST(Plugin, ThatHangsIsKilledWithAllItStarted) {
  const auto file = std::filesystem::temp_directory_path() /
                    absl::StrCat("sluice-hang-", getpid());
  const CheckResult result = RunPlugin(
      absl::StrCat("trap '' TERM; (trap '' TERM; exec sleep 987) & echo $! > ",
                   file.string(), "; wait; sleep 987"),
      absl::Milliseconds(400));
  EXPECT_EQ(result.verdict, Verdict::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("was killed"));
  EXPECT_TRUE(IsGone(file));
  std::filesystem::remove(file);
}

// In a session of its own, orphaned twice, and deaf: no process group has it.
TEST(Plugin, LeavesNothingBehindWhereverItWent) {
  const auto file = std::filesystem::temp_directory_path() /
                    absl::StrCat("sluice-daemon-", getpid());
  const std::string daemon = absl::StrCat(
      "setsid sh -c '(trap \"\" TERM HUP; echo $$ > ", file.string(),
      "; (exec setsid sleep 987) & exec sleep 987) &' ; ", "while ! test -s ",
      file.string(), "; do :; done; ");
  for (const bool hangs : {false, true}) {
    std::filesystem::remove(file);
    const CheckResult result =
        RunPlugin(absl::StrCat(daemon, hangs ? "exec sleep 987" : "exit 0"),
                  hangs ? absl::Milliseconds(700) : absl::Seconds(5));
    EXPECT_EQ(result.verdict, hangs ? Verdict::kInconclusive : Verdict::kPass)
        << result.reason;
    EXPECT_TRUE(IsGone(file)) << "hangs: " << hangs;
  }
  std::filesystem::remove(file);
}

// As a user of its own it forks until it may not, and all of it ends in time.
TEST(Plugin, ThatForksWithoutEndIsBoundedAndEnds) {
  if (geteuid() != 0) GTEST_SKIP() << "the limit is a user's, not root's";
  const auto list = std::filesystem::temp_directory_path() /
                    absl::StrCat("sluice-bomb-", getpid());
  const std::string program = absl::StrCat(
      "import os, time\n"
      "os.setgid(64999); os.setuid(64999)\n"
      "made = 0\n"
      "try:\n"
      "  while made < 5000:\n"
      "    if os.fork() == 0:\n"
      "      os.setsid()\n"
      "      if os.fork() == 0: time.sleep(987)\n"
      "      time.sleep(987)\n"
      "    made += 1\n"
      "except OSError: pass\n"
      "print(made)\n"
      "time.sleep(987)\n");
  std::ofstream(list) << program;
  const absl::Time began = absl::Now();
  RunPlugin(absl::StrCat("exec python3 ", list.string()), absl::Seconds(3));
  EXPECT_LT(absl::Now() - began, absl::Seconds(30));
  std::filesystem::remove(list);
  int left = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    struct stat facts {};
    if (stat(entry.path().c_str(), &facts) == 0 && facts.st_uid == 64999) {
      ++left;
    }
  }
  EXPECT_EQ(left, 0);
}

TEST(Plugin, EndsWithTheAgentThatRanIt) {
  const auto file = std::filesystem::temp_directory_path() /
                    absl::StrCat("sluice-orphan-", getpid());
  std::filesystem::remove(file);
  const pid_t agent = fork();
  if (agent == 0) {
    RunPlugin(absl::StrCat("echo $$ > ", file.string(), "; exec sleep 987"),
              absl::Minutes(5));
    _exit(0);
  }
  while (!std::filesystem::exists(file) ||
         std::filesystem::file_size(file) == 0) {
    absl::SleepFor(absl::Milliseconds(10));  // polls another process
  }
  kill(agent, SIGKILL);
  waitpid(agent, nullptr, 0);
  EXPECT_TRUE(IsGone(file));
  std::filesystem::remove(file);
}

TEST(Plugin, ThatPrintsAGigabyteIsNotBelieved) {
  const CheckResult result = RunPlugin("head -c 1000000000 /dev/zero");
  EXPECT_EQ(result.verdict, Verdict::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("64 KiB"));
}

TEST(Plugin, SeesNothingOfTheAgentsEnvironment) {
  setenv("SLUICE_TEST_SECRET", "1", 1);
  EXPECT_EQ(RunPlugin("test -z \"$SLUICE_TEST_SECRET\"").verdict,
            Verdict::kPass);
  EXPECT_EQ(RunPlugin("test \"$(ls /proc/self/fd | wc -l)\" -le 4").verdict,
            Verdict::kPass);
}

TEST(Process, OfAUnitMayLeaveItsServiceRunning) {
  const Stop stop;
  const auto result = RunProcess({"/bin/sh", "-c", "sleep 987 & echo $!"},
                                 absl::Seconds(5), Leftovers::kKeep, stop);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->exit_code, 0);
  const pid_t service = std::stoi(result->output);
  EXPECT_EQ(kill(service, 0), 0);
  kill(service, SIGKILL);
}

TEST(Process, ThatIsNotThereIsAnErrorThatNamesIt) {
  const Stop stop;
  const auto result = RunProcess({"/no/such/program"}, absl::Seconds(1),
                                 Leftovers::kKill, stop);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("/no/such/program"));
}

TEST(Process, EndsWhenTheAgentDoes) {
  Stop stop;
  stop.Set();
  const auto result = RunProcess({"/bin/sleep", "987"}, absl::Minutes(5),
                                 Leftovers::kKill, stop);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->stopped);
}

Flow LocalFlow(const std::string& protocol, uint16_t port,
               const std::string& client = "127.0.0.1") {
  return *Flow::Parse(absl::StrCat(protocol, " ", client, " 127.0.0.1 ", port));
}

TEST(TryFlow, ConnectsFromItsClientsAddress) {
  LocalSocket socket(SOCK_STREAM);
  socket.Listen();
  const Stop stop;
  EXPECT_EQ(TryFlow(LocalFlow("tcp", socket.port(), "127.5.5.5"),
                    absl::Seconds(1), stop)
                .verdict,
            Verdict::kPass);
  sockaddr_in peer = {};
  socklen_t size = sizeof peer;
  const int fd = accept(socket.fd(), reinterpret_cast<sockaddr*>(&peer), &size);
  EXPECT_EQ(ntohl(peer.sin_addr.s_addr), 0x7f050505u);
  close(fd);
}

TEST(TryFlow, FailsWhereNothingListensAndSaysSo) {
  const Stop stop;
  const FlowTried tried =
      TryFlow(LocalFlow("tcp", ClosedPort()), absl::Seconds(1), stop);
  EXPECT_EQ(tried.verdict, Verdict::kFail);
  EXPECT_THAT(tried.reason, HasSubstr("refused: nothing listens"));
}

TEST(TryFlow, ThatCannotBeTriedIsInconclusiveAndNeverPasses) {
  const Stop stop;
  EXPECT_EQ(TryFlow(LocalFlow("udp", 53), absl::Seconds(1), stop),
            (FlowTried{LocalFlow("udp", 53), Verdict::kInconclusive,
                       "udp: cannot be tried"}));
  EXPECT_EQ(TryFlow(*Flow::Parse("tcp 10.90.3.0/24 127.0.0.1 443"),
                    absl::Seconds(1), stop)
                .verdict,
            Verdict::kInconclusive);
  EXPECT_EQ(TryFlow(LocalFlow("tcp", 9, "192.0.2.77"), absl::Seconds(1), stop)
                .verdict,
            Verdict::kInconclusive);
}

// A /proc of our own making.
class Listeners : public ::testing::Test {
 protected:
  Listeners() {
    std::filesystem::create_directories(proc_ / "net");
    std::filesystem::create_directories(proc_ / "sys/net/ipv4");
    Write("sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
    for (const char* table : {"tcp", "tcp6", "udp", "udp6"}) Table(table, "");
  }
  ~Listeners() override { std::filesystem::remove_all(proc_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(proc_ / name) << text;
  }
  void Table(const std::string& name, const std::string& rows) {
    Write("net/" + name, "  sl  local_address rem_address   st …\n" + rows);
  }
  static std::string Row(const std::string& local, const std::string& remote,
                         const std::string& state) {
    return absl::StrCat("   0: ", local, " ", remote, " ", state,
                        " 00000000:00000000 00:00000000 00000000     0     "
                        "   0 4242 1 0000000000000000 100 0 0 10 0\n");
  }
  CheckResult Check(const std::string& ports) {
    return RunIt(
        Spec("listeners", {{"allow", "declared-only"}, {"ports", ports}}),
        {.proc = proc_.string()});
  }

  const std::filesystem::path proc_ = std::filesystem::temp_directory_path() /
                                      absl::StrCat("sluice-proc-", getpid());
};

TEST_F(Listeners, ThatAreDeclaredPass) {
  Table("tcp", Row("0B004D0A:1538", "00000000:0000", "0A"));
  EXPECT_EQ(Check("5432/tcp").verdict, Verdict::kPass);
  EXPECT_EQ(Check("5000-6000/tcp,53/udp").verdict, Verdict::kPass);
}

TEST_F(Listeners, ThatAreNotDeclaredFailAndAreNamed) {
  Table("tcp", Row("0B004D0A:1538", "00000000:0000", "0A") +
                   Row("00000000:115C", "00000000:0000", "0A"));
  const CheckResult result = Check("5432/tcp");
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_EQ(result.reason, "undeclared: tcp 4444");
  EXPECT_EQ(Check("5432/tcp,4444/udp").verdict, Verdict::kFail);
}

TEST_F(Listeners, OnLoopbackAloneDoNotCount) {
  Table("tcp", Row("0100007F:115C", "00000000:0000", "0A"));
  Table("tcp6", Row("00000000000000000000000001000000:115C",
                    "00000000000000000000000000000000:0000", "0A") +
                    Row("0000000000000000FFFF00000100007F:115D",
                        "00000000000000000000000000000000:0000", "0A"));
  EXPECT_EQ(Check("").verdict, Verdict::kPass);
}

TEST_F(Listeners, OverIpv6AreFoundToo) {
  Table("tcp6", Row("00000000000000000000000000000000:115C",
                    "00000000000000000000000000000000:0000", "0A"));
  EXPECT_EQ(Check("22/tcp").verdict, Verdict::kFail);
}

TEST_F(Listeners, DoNotCountConnectionsAndClientsOfUdp) {
  Table("tcp", Row("0B004D0A:115C", "15004D0A:C000", "01"));
  Table("udp", Row("0B004D0A:115C", "15004D0A:0035", "01") +
                   Row("00000000:C001", "00000000:0000", "07"));
  EXPECT_EQ(Check("").verdict, Verdict::kPass);
  Table("udp", Row("00000000:0045", "00000000:0000", "07"));
  EXPECT_EQ(Check("").reason, "undeclared: udp 69");
}

TEST_F(Listeners, ThatCannotBeReadAreInconclusive) {
  std::filesystem::remove(proc_ / "net/udp");
  EXPECT_EQ(Check("").verdict, Verdict::kInconclusive);
  EXPECT_EQ(Check("5432").verdict, Verdict::kInconclusive);
}

TEST(ListenersOfThisMachine, AreFoundWithTheProcessThatHoldsThem) {
  LocalSocket socket(SOCK_STREAM, "0.0.0.0");
  socket.Listen();
  const CheckResult result =
      RunIt(Spec("listeners", {{"allow", "declared-only"},
                               {"ports", socket.port() == 1 ? "" : "1/tcp"}}));
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_THAT(result.reason, HasSubstr("undeclared: "));
}

// Answers one question over UDP with what it asked and one A record.
TEST(Dns, AsksThisHostsOwnNameService) {
  LocalSocket socket(SOCK_DGRAM);
  std::thread server([&] {
    for (int i = 0; i < 2; ++i) {
      uint8_t packet[512];
      sockaddr_in peer = {};
      socklen_t size = sizeof peer;
      const ssize_t got = recvfrom(socket.fd(), packet, sizeof packet - 16, 0,
                                   reinterpret_cast<sockaddr*>(&peer), &size);
      if (got < 12) return;
      packet[2] |= 0x80;  // an answer
      packet[7] = 1;      // with one record
      const uint8_t record[] = {0xc0, 12, 0, 1, 0,  1,  0, 0,
                                0,    60, 0, 4, 10, 77, 0, 11};
      std::copy(std::begin(record), std::end(record), packet + got);
      sendto(socket.fd(), packet, got + sizeof record, 0,
             reinterpret_cast<sockaddr*>(&peer), size);
    }
  });
  const std::string port = absl::StrCat(socket.port());
  EXPECT_EQ(RunIt(Spec("dns", {{"ask", "db.city.example"}, {"port", port}})),
            (CheckResult{Verdict::kPass, "db.city.example is 10.77.0.11", ""}));
  EXPECT_EQ(RunIt(Spec("dns", {{"ask", "db.city.example"},
                               {"port", port},
                               {"expect", "10.77.0.99"}}))
                .verdict,
            Verdict::kFail);
  server.join();
}

TEST(Dns, ThatNobodyAnswersFails) {
  CheckSpec spec = Spec("dns", {{"ask", "db.city.example"},
                                {"port", absl::StrCat(ClosedPort())}});
  spec.timeout = absl::Milliseconds(300);
  EXPECT_EQ(RunIt(spec).verdict, Verdict::kFail);
}

// Gathers what workers say.
class Inbox {
 public:
  std::function<void(Event)> Sink() {
    return [this](Event event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
      wake_.notify_all();
    };
  }
  Event Next() {
    std::unique_lock lock(mutex_);
    SLUICE_CHECK(wake_.wait_for(lock, std::chrono::seconds(20),
                                [this] { return !events_.empty(); }));
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Event> events_;
};

TEST(Workers, AnswerEachCheckInOrder) {
  Inbox inbox;
  Workers workers(
      {.context = {.plugins = {{"slow",
                                {{"/bin/sleep", "0.2"}, absl::Seconds(5)}}}}},
      inbox.Sink());
  workers.Start(
      StartChecks{7,
                  {{CheckId("a/1"), Spec("plugin", {{"name", "slow"}})},
                   {CheckId("a/2"), Spec("telepathy", {})}}});
  const auto finished = std::get<ChecksFinished>(inbox.Next());
  EXPECT_EQ(finished.request, 7u);
  ASSERT_EQ(finished.results.size(), 2u);
  EXPECT_EQ(finished.results[0].id, CheckId("a/1"));
  EXPECT_EQ(finished.results[0].result.verdict, Verdict::kPass);
  EXPECT_EQ(finished.results[1].result.verdict, Verdict::kInconclusive);
}

TEST(Workers, AnswerAnEmptyOrderToo) {
  Inbox inbox;
  Workers workers({}, inbox.Sink());
  workers.Start(StartChecks{1, {}});
  EXPECT_EQ(std::get<ChecksFinished>(inbox.Next()).request, 1u);
  workers.Start(StartTries{2, {}, absl::Seconds(1)});
  EXPECT_EQ(std::get<TriesFinished>(inbox.Next()).request, 2u);
}

TEST(Workers, StartUnitsByTheHostsOwnCommand) {
  Inbox inbox;
  Workers workers(
      {.units = {{"good.service", {"/bin/true"}},
                 {"bad.service", {"/bin/sh", "-c", "echo no disk; exit 6"}}}},
      inbox.Sink());
  workers.Start(StartUnitNow{1, "good.service", absl::Seconds(5)});
  EXPECT_TRUE(std::get<UnitStarted>(inbox.Next()).status.ok());
  workers.Start(StartUnitNow{2, "bad.service", absl::Seconds(5)});
  EXPECT_THAT(std::string(std::get<UnitStarted>(inbox.Next()).status.message()),
              HasSubstr("ended with 6: no disk"));
}

TEST(Workers, EndQuicklyWhateverRuns) {
  Inbox inbox;
  const absl::Time before = absl::Now();
  {
    Workers workers(
        {.context = {.plugins = {{"hang",
                                  {{"/bin/sleep", "987"}, absl::Minutes(5)}}}}},
        inbox.Sink());
    CheckSpec spec = Spec("plugin", {{"name", "hang"}});
    spec.timeout = absl::Minutes(5);
    std::vector<NamedCheck> checks(20, {CheckId("a/1"), spec});
    workers.Start(StartChecks{1, checks});
  }
  EXPECT_LT(absl::Now() - before, absl::Seconds(60));
}

}  // namespace
}  // namespace sluice::agent
