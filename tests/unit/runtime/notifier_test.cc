#include "orchestrator/runtime/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

class NotifierTest : public ::testing::Test {
 protected:
  NotifierTest() {
    std::string name =
        (std::filesystem::temp_directory_path() / "sluice-notify-XXXXXX")
            .string();
    directory_ = mkdtemp(name.data());
    // A pipe with a name: reading it waits for the command, not for a while.
    pipe_ = directory_ + "/pipe";
    EXPECT_EQ(mkfifo(pipe_.c_str(), 0600), 0);
  }
  ~NotifierTest() override { std::filesystem::remove_all(directory_); }

  std::string ReadPipe() {
    std::ifstream file(pipe_);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::string directory_;
  std::string pipe_;
};

TEST_F(NotifierTest, GivesTheLineToTheCommand) {
  Notifier notifier("small", {"tee", pipe_});
  notifier.Tell({1, absl::UnixEpoch(), "connecting", "", "not worth telling"});
  notifier.Tell({2, absl::UnixEpoch(), "gate", "", "gate 'data' asks"});
  const std::string text = ReadPipe();
  EXPECT_THAT(text, HasSubstr("small gate\n"));
  EXPECT_THAT(text, HasSubstr("\n\ngate 'data' asks\n"));
}

TEST_F(NotifierTest, UsesNoShell) {
  const std::string odd = "$(touch " + directory_ + "/made); `id`";
  EXPECT_TRUE(RunCommand({"true", odd}, odd, absl::Seconds(10)).ok());
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/made"));
}

TEST(RunCommand, TellsACommandThatIsNotThere) {
  const auto status = RunCommand({"/nowhere/tell"}, "", absl::Seconds(10));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("'notify'"));
}

TEST(RunCommand, TellsACommandThatFails) {
  EXPECT_THAT(RunCommand({"false"}, "", absl::Seconds(10)).message(),
              HasSubstr("failed with 1"));
}

TEST(RunCommand, EndsACommandThatTakesTooLong) {
  EXPECT_EQ(RunCommand({"sleep", "1000"}, "", absl::Milliseconds(50)).code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(RunCommand, NeedsNobodyToReadItsInput) {
  EXPECT_TRUE(
      RunCommand({"true"}, std::string(1 << 20, 'x'), absl::Seconds(10)).ok());
}

}  // namespace
}  // namespace sluice::runtime
