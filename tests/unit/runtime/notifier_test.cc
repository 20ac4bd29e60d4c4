#include "orchestrator/runtime/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

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
  EXPECT_EQ(ReadPipe(),
            "{\"estate\":\"small\",\"kind\":\"gate\","
            "\"at\":\"1970-01-01T00:00:00+00:00\",\"sequence\":2,"
            "\"who\":\"\",\"text\":\"gate 'data' asks\"}\n");
}

TEST_F(NotifierTest, TellsOddTextToo) {
  Notifier notifier("small", {"tee", pipe_});
  notifier.Tell({0, absl::UnixEpoch(), "alarm", "db-1", "\"\n\\ \xff $(id)"});
  EXPECT_THAT(ReadPipe(), HasSubstr("\"text\":\"\\\"\\n\\\\ \xef\xbf\xbd"));
}

TEST_F(NotifierTest, SaysThatNobodyWasToldUntilSomebodyIs) {
  const std::string script = directory_ + "/tell";
  // Fails until its second line comes, and says that it ran.
  std::ofstream(script) << "#!/bin/sh\nread line\necho ran > " << pipe_
                        << "\ncase $line in *good*) exit 0;; esac\nexit 7\n";
  chmod(script.c_str(), 0700);
  Notifier notifier("small", {script});
  EXPECT_EQ(notifier.problem(), "");
  const auto tell = [&](const std::string& text) {
    notifier.Tell({1, absl::UnixEpoch(), "hold", "", text});
    EXPECT_EQ(ReadPipe(), "ran\n");
  };
  tell("bad");
  while (notifier.problem().empty()) std::this_thread::yield();
  EXPECT_THAT(notifier.problem(), HasSubstr("1 line was not told"));
  EXPECT_THAT(notifier.problem(), HasSubstr("failed with 7"));
  tell("good");
  while (!notifier.problem().empty()) std::this_thread::yield();
}

TEST(Notifier, NeverBlocksAndSaysWhatItCouldNotTell) {
  Notifier notifier("small", {"sleep", "1000"}, absl::Milliseconds(100));
  for (int i = 0; i < 200; ++i) {
    notifier.Tell({1, absl::UnixEpoch(), "alarm", "", "again"});
  }
  EXPECT_THAT(notifier.problem(), HasSubstr("lines were not told to anybody"));
}

TEST(RunCommand, EndsWhatTheCommandStartedToo) {
  std::string name =
      (std::filesystem::temp_directory_path() / "sluice-group-XXXXXX").string();
  const std::string directory = mkdtemp(name.data());
  const std::string pipe = directory + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  // Its child holds the pipe's end for as long as it lives.
  std::thread ends([&] {
    EXPECT_EQ(RunCommand({"sh", "-c", "sleep 1000 > \"$0\" & wait", pipe}, "",
                         absl::Milliseconds(500))
                  .code(),
              absl::StatusCode::kDeadlineExceeded);
  });
  std::ifstream file(pipe);
  std::stringstream text;
  text << file.rdbuf();  // ends when nobody holds the pipe any more
  ends.join();
  std::filesystem::remove_all(directory);
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
