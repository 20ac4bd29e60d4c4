// The listening sockets, ours instead of gRPC's, for two reasons.
//
// gRPC 1.51 gives a listening socket up for ever when the process has run out
// of descriptors once: whoever opens connections enough would close the door
// to everybody. Here some descriptors are kept back for the program itself,
// and some more for the unix socket, so that the orchestrator's own people
// come in whatever the network does.
//
// And a handshake is the dearest thing a stranger can ask for: each address
// has so many at once and so many a second, and so many connections that
// stand. Who dials an address from that very address is this machine's own and
// is not counted.

#pragma once

#include <grpcpp/server_builder.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/rpc/attempts.h"

namespace sluice::rpc {

class Acceptor {
 public:
  struct Options {
    // Of one address; a network may stand behind one.
    Attempts::Options handshakes = {.burst = 500,
                                    .one_more_every = absl::Milliseconds(20)};
    size_t connections = 1000;
    // Descriptors that no connection gets, of those the process may have; the
    // unix socket gets half of them.
    int kept_back = 256;
  };

  // Binds every address: "10.77.0.1:7443", "[fd77::1]:7443", "unix:/path".
  // Unavailable names the one that cannot be had.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Listen(
      const std::vector<std::string>& addresses, Options options);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Of each address its port, where one was chosen.
  const std::vector<int>& ports() const { return ports_; }

  // Before the server is built.
  void AddTo(grpc::ServerBuilder* builder,
             const std::shared_ptr<grpc::ServerCredentials>& credentials);
  // Once it is: lets people in, from a thread of its own.
  void Start();
  // Before the server is shut down: lets nobody in any more.
  void Stop();

 private:
  struct Listener {
    int fd = -1;
    bool local = false;  // the unix socket
    std::string path;    // its file, removed at the end
  };

  explicit Acceptor(Options options);
  absl::Status Add(const std::string& address);
  void Run();
  void TakeFrom(const Listener& listener);
  bool HasRoomFor(const std::string& peer, int fd);

  const Options options_;
  const int most_;  // descriptors
  std::vector<Listener> listeners_;
  std::vector<int> ports_;
  Attempts handshakes_;
  // Who has which descriptor, as far as is known: gRPC does not say when it
  // closes one. The thread's own.
  std::map<int, std::string> owner_;               // "10.77.0.21:51234"
  std::map<std::string, std::set<int>> standing_;  // by address, no port
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server_;
  int wake_ = -1;
  std::thread thread_;
};

}  // namespace sluice::rpc
