#include "common/private.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice {
namespace {

using ::testing::HasSubstr;

class Private : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "sluice-private-XXXXXX")
            .string();
    folder_ = mkdtemp(name.data());
    key_ = folder_ + "/key";
    std::ofstream(key_) << "secret";
    chmod(key_.c_str(), 0600);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  std::string key_;
};

TEST_F(Private, FileInAPrivateFolderIsGood) {
  EXPECT_TRUE(CheckPrivate(key_).ok());
}

TEST_F(Private, FileThatOthersCanReadIsNamedWithTheCommandThatMendsIt) {
  for (const mode_t mode : {0640, 0604, 0620, 0602}) {
    chmod(key_.c_str(), mode);
    EXPECT_THAT(CheckPrivate(key_).message(), HasSubstr("chmod 600 " + key_))
        << mode;
  }
}

TEST_F(Private, FolderThatOthersCanEnterIsNamedToo) {
  for (const mode_t mode : {0750, 0705, 0711}) {
    chmod(folder_.c_str(), mode);
    EXPECT_THAT(CheckPrivate(key_).message(), HasSubstr("chmod 700 " + folder_))
        << mode;
  }
}

TEST_F(Private, FileThatIsNotThereIsSaid) {
  EXPECT_THAT(CheckPrivate(folder_ + "/none").message(),
              HasSubstr(folder_ + "/none"));
}

int CoresLeft() {
  KeepOutOfCores();
  rlimit limit = {1, 1};
  if (getrlimit(RLIMIT_CORE, &limit) != 0) return 1;
  return limit.rlim_cur == 0 && limit.rlim_max == 0 &&
                 prctl(PR_GET_DUMPABLE) == 0
             ? 0
             : 1;
}

TEST(KeepingOutOfCores, LeavesNoneAndLetsNobodyLookInside) {
  EXPECT_EXIT(std::exit(CoresLeft()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace sluice
