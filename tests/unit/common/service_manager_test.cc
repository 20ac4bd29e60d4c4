#include "common/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

namespace sluice {
namespace {

// Stands where systemd stands: a datagram socket, named to its service.
class Manager : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "sluice-notify-XXXXXX")
            .string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override {
    unsetenv("NOTIFY_SOCKET");
    if (fd_ >= 0) close(fd_);
    std::filesystem::remove_all(folder_);
  }

  // `name` as NOTIFY_SOCKET has it: a path, or "@" and an abstract name.
  void Listen(const std::string& name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ASSERT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                          name.size())),
              0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }

  std::string Heard() {
    char bytes[512];
    const ssize_t count = recv(fd_, bytes, sizeof bytes, 0);
    return count < 0 ? "nothing" : std::string(bytes, count);
  }

  std::string folder_;
  int fd_ = -1;
};

TEST_F(Manager, HearsAtAPath) {
  Listen(folder_ + "/notify");
  NotifyServiceManager("READY=1\nSTATUS=serving\n");
  EXPECT_EQ(Heard(), "READY=1\nSTATUS=serving\n");
  EXPECT_EQ(Heard(), "nothing");
}

TEST_F(Manager, HearsAtAnAbstractName) {
  Listen("@" + folder_);
  NotifyServiceManager("STOPPING=1\n");
  EXPECT_EQ(Heard(), "STOPPING=1\n");
}

TEST_F(Manager, IsNotNeeded) {
  NotifyServiceManager("READY=1\n");  // no manager at all
  setenv("NOTIFY_SOCKET", (folder_ + "/nobody").c_str(), 1);
  NotifyServiceManager("READY=1\n");
  setenv("NOTIFY_SOCKET", "relative", 1);
  NotifyServiceManager("READY=1\n");
  setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  NotifyServiceManager("READY=1\n");
}

}  // namespace
}  // namespace sluice
