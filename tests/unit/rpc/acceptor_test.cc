// The door itself: who fills it up, and who comes in all the same.

#include "orchestrator/rpc/acceptor.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
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

  // From 127.0.0.1, or from another address that this machine has.
  bool ConnectAndSayNothing(uint32_t from = INADDR_LOOPBACK) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in own = {};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(from);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
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
      agent::LinkArguments(absl::Seconds(20)));
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

// Strangers: whoever dials 127.0.0.1 from another address.
class Strangers : public CrowdedDoor {
 protected:
  Strangers() {
    acceptor_.kept_back = 64;
    acceptor_.connections = kMost;
    acceptor_.handshakes = {.burst = 1000, .one_more_every = absl::Hours(1)};
  }
  // Whether the other end hung up on the newest.
  bool WasHungUpOn() {
    char byte;
    return recv(silent_.back(), &byte, 1, 0) <= 0;
  }
  static constexpr size_t kMost = 20;
  static constexpr uint32_t kFirst = INADDR_LOOPBACK + 1;
  static constexpr uint32_t kSecond = INADDR_LOOPBACK + 2;
};

TEST_F(Strangers, HaveSoManyConnectionsAnAddressAndHaveThemBack) {
  for (size_t i = 0; i < kMost; ++i) ASSERT_TRUE(ConnectAndSayNothing(kFirst));
  ASSERT_TRUE(ConnectAndSayNothing(kFirst));
  EXPECT_TRUE(WasHungUpOn());
  // Others are not meant by that.
  ASSERT_TRUE(ConnectAndSayNothing(kSecond));
  EXPECT_TRUE(Challenge("it-lead").ok());
  // Those that went count no more, once the server has seen them go.
  for (const int fd : silent_) close(fd);
  silent_.clear();
  const absl::Time end = absl::Now() + absl::Seconds(20);
  bool again = false;
  while (!again && absl::Now() < end) {
    ASSERT_TRUE(ConnectAndSayNothing(kFirst));
    pollfd hung_up = {silent_.back(), POLLIN, 0};
    again = poll(&hung_up, 1, 100) == 0;
  }
  EXPECT_TRUE(again);
}

class Hasty : public Strangers {
 protected:
  Hasty() {
    acceptor_.connections = 1000;
    acceptor_.handshakes = {.burst = 10, .one_more_every = absl::Hours(1)};
  }
};

TEST_F(Hasty, BeginSoManyHandshakesAtOnce) {
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(ConnectAndSayNothing(kFirst));
    close(silent_.back());
    silent_.pop_back();
  }
  ASSERT_TRUE(ConnectAndSayNothing(kFirst));
  EXPECT_TRUE(WasHungUpOn());
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
