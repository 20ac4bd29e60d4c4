// The door itself: who fills it up, and who comes in all the same.

#include "orchestrator/rpc/acceptor.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/unit/rpc/small_estate.h"

namespace sluice::rpc {
namespace {

using ::testing::HasSubstr;

constexpr int kRoom = 100;  // descriptors for connections

class CrowdedDoor : public SmallEstate {
 protected:
  CrowdedDoor() {
    rlimit limit;
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const int highest = dup(0);
    close(highest);
    acceptor_.kept_back = static_cast<int>(limit.rlim_cur) - highest - kRoom;
    socket_ = (std::filesystem::temp_directory_path() /
               absl::StrCat("sluice-door-", getpid(), ".sock"))
                  .string();
    listen_.push_back("unix:" + socket_);
  }
  ~CrowdedDoor() override {
    for (const int fd : silent_) close(fd);
  }

  // Whether it stands, and stays so.
  bool ConnectAndSayNothing() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(server_->ports()[0]));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      close(fd);
      return false;
    }
    silent_.push_back(fd);
    return true;
  }

  std::string socket_;
  std::vector<int> silent_;
};

TEST_F(CrowdedDoor, KeepsRoomForTheUnixSocketWhateverTheNetworkDoes) {
  // More than there is room for; each takes one here and one at the server.
  for (int i = 0; i < 3 * kRoom; ++i) ConnectAndSayNothing();
  const auto channel = grpc::CreateCustomChannel(
      "unix:" + socket_,
      agent::TokenCredentials(authority_digest(), EstateId("small")),
      agent::LinkArguments());
  v1::ChallengeRequest ask;
  ask.set_operator_("it-lead");
  v1::LoginChallenge challenge;
  const grpc::Status status =
      v1::Login::NewStub(channel)->Challenge(Context().get(), ask, &challenge);
  EXPECT_TRUE(status.ok()) << status.error_message();
  // And the network comes back when they go.
  for (const int fd : silent_) close(fd);
  silent_.clear();
  EXPECT_TRUE(Challenge("it-lead").ok());
}

TEST_F(CrowdedDoor, NamesTheAddressThatCannotBeHad) {
  const auto taken = Acceptor::Listen({address()}, {});
  ASSERT_FALSE(taken.ok());
  EXPECT_THAT(taken.status().message(), HasSubstr(address()));
  for (const char* bad : {"127.0.0.1", "host:1", "127.0.0.1:70000", "unix:"}) {
    EXPECT_THAT(Acceptor::Listen({bad}, {}).status().message(), HasSubstr(bad));
  }
}

TEST_F(CrowdedDoor, TakesADeadSocketsPlaceAndNoLivingOnes) {
  EXPECT_FALSE(Acceptor::Listen({"unix:" + socket_}, {}).ok());
  const std::string dead = socket_ + ".dead";
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::copy(dead.begin(), dead.end(), address.sun_path);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(fd);
  EXPECT_TRUE(Acceptor::Listen({"unix:" + dead}, {}).ok());
  EXPECT_FALSE(std::filesystem::exists(dead));
}

}  // namespace
}  // namespace sluice::rpc
