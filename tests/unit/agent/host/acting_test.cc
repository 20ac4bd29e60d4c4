// A driver as a real process: what it makes of its time, its words, its end.

#include "agents/host/acting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

DriverRule Sh(const std::string& script) {
  DriverRule rule;
  rule.command = {"/bin/sh", "-c", script};
  rule.timeout = absl::Seconds(1);
  return rule;
}

absl::StatusOr<std::string> Said(const std::string& script,
                                 const std::string& input = "{}\n") {
  DriverProcess process(Sh(script));
  return process.Run(input);
}

TEST(DriverProcess, HasItsRequestOnStandardInputAndAnswersOnStandardOutput) {
  const auto said = Said("cat; echo careful >&2", "{\"verb\": \"read\"}\n");
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(*said, "{\"verb\": \"read\"}\n");
  EXPECT_EQ(Said("cat", std::string(300'000, 'x'))->size(), 300'000u);
}

TEST(DriverProcess, IsSaidWhenItEndsBadly) {
  EXPECT_EQ(Said("echo well; echo no route >&2; exit 3").status().message(),
            "ended with 3: no route");
  EXPECT_THAT(std::string(Said("kill -SEGV $$").status().message()),
              StartsWith("was ended by signal Segmentation fault"));
  DriverRule rule = Sh("");
  rule.command = {"/nonexistent/driver"};
  DriverProcess missing(rule);
  EXPECT_THAT(std::string(missing.Run("").status().message()),
              HasSubstr("could not run"));
  rule = Sh("echo {}");
  rule.user = "nobody-of-this-name";
  DriverProcess stranger(rule);
  EXPECT_THAT(std::string(stranger.Run("").status().message()),
              HasSubstr("no user 'nobody-of-this-name'"));
}

TEST(DriverProcess, IsKilledWithItsChildrenWhenItHangs) {
  const absl::Time began = absl::Now();
  EXPECT_EQ(Said("trap '' TERM; sleep 600 & sleep 600").status().message(),
            "did not end within 1s and was killed");
  EXPECT_LT(absl::Now() - began, absl::Seconds(20));
}

TEST(DriverProcess, IsNotBelievedBeyondAMebibyte) {
  EXPECT_THAT(std::string(Said("yes || true").status().message()),
              HasSubstr("more than 1 MiB"));
}

TEST(DriverProcess, IsGivenUpWhenAnIsolationWaits) {
  DriverRule rule = Sh("sleep 600");
  rule.timeout = absl::Minutes(1);
  DriverProcess process(rule);
  process.Interrupt();  // of nothing
  std::atomic<bool> done = false;
  std::thread thread([&] {
    while (!done) {
      process.Interrupt();
      std::this_thread::yield();
    }
  });
  const auto said = process.Run("");
  done = true;
  thread.join();
  EXPECT_TRUE(absl::IsCancelled(said.status())) << said.status();
}

}  // namespace
}  // namespace sluice::agent
