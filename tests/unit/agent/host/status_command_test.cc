#include "agents/host/status_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "agents/core/state.h"
#include "agents/isolation/memory_fence.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;

class StatusTest : public testing::Test {
 protected:
  StatusTest() {
    folder_ = testing::TempDir() + "/status-" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~StatusTest() override { std::filesystem::remove_all(folder_); }

  void Write(Mode mode, const std::string& part = "") {
    std::filesystem::create_directories(folder_ + part);
    AgentState state;
    state.serial = 3;
    state.estate = EstateId("city-utility");
    state.host = HostId("db-1");
    state.boot_id = "b1";
    state.mode = mode;
    state.quarantine_number = 7;
    state.reason = "ransom note";
    std::ofstream(folder_ + part + "/state") << state.Encode();
  }

  HostStatus Ask() {
    return StatusOfHost(folder_, folder_ + "/witness", fence_);
  }

  std::string folder_;
  MemoryFence fence_{[] { return absl::UnixEpoch(); }};
};

TEST_F(StatusTest, NeverIsolatedIsOpen) {
  EXPECT_TRUE(Ask().open) << Ask().text;
  EXPECT_THAT(Ask().text, HasSubstr("never isolated"));
}

TEST_F(StatusTest, AStateThatIsGoneIsNotOpen) {
  std::ofstream(folder_ + "/witness") << "it was here\n";
  EXPECT_FALSE(Ask().open);
  EXPECT_THAT(Ask().text, HasSubstr("the state is gone"));
}

TEST_F(StatusTest, OpenIsOpenOnlyWhenDiskAndKernelSaySo) {
  Write(Mode::kOpen);
  EXPECT_TRUE(Ask().open) << Ask().text;
  ASSERT_TRUE(fence_.Replace({}).ok());
  EXPECT_FALSE(Ask().open);
  EXPECT_THAT(Ask().text, HasSubstr("the fence is up"));
}

TEST_F(StatusTest, QuarantineOnDiskIsIsolatedThoughTheKernelHoldsNoFence) {
  Write(Mode::kQuarantined);
  EXPECT_FALSE(Ask().open);
  EXPECT_THAT(Ask().text, HasSubstr("in quarantine 7: ransom note"));
  EXPECT_THAT(Ask().text, HasSubstr("no fence"));
}

// Without its agent nobody would open that point again.
TEST_F(StatusTest, IsNotOpenWhileAPointThatItActsForIsInQuarantine) {
  Write(Mode::kOpen);
  Write(Mode::kOpen, "/point-plc-1");
  Write(Mode::kQuarantined, "/point-plc-2");
  EXPECT_FALSE(Ask().open);
  EXPECT_THAT(Ask().text, HasSubstr("acts for:  plc-2: in quarantine 7: "
                                    "ransom note\n"));
  Write(Mode::kOpen, "/point-plc-2");
  EXPECT_TRUE(Ask().open) << Ask().text;
  std::ofstream(folder_ + "/point-plc-1/state") << "mode open\n";
  EXPECT_FALSE(Ask().open);
}

TEST_F(StatusTest, AStateThatCannotBeBelievedIsNotOpen) {
  std::ofstream(folder_ + "/state") << "mode open\n";
  EXPECT_FALSE(Ask().open);
  EXPECT_THAT(Ask().text, HasSubstr("cannot be believed"));
}

}  // namespace
}  // namespace sluice::agent
