// Sees at once when another program changes our table: the kernel tells every
// committed change of the namespace's rules, and by which process.
//
// What this process changes itself is left out: its own netlink sockets are
// told apart by their port numbers. Elements that time out and packets that
// fill a set are no changes. Owns one thread and one socket.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

namespace sluice::agent {

class TableWatch {
 public:
  // From now on `touched` is called, from a thread of this object's own, after
  // each transaction of somebody else's in which the inet table `table` was
  // touched: "nft, process 812", or "unknown". Empty when the kernel could not
  // keep up telling, so that it may have been this process as well. Needs
  // CAP_NET_ADMIN, in the namespace it is made in.
  static absl::StatusOr<std::unique_ptr<TableWatch>> Start(
      std::string table, std::function<void(const std::string& hand)> touched);

  ~TableWatch();
  TableWatch(const TableWatch&) = delete;
  TableWatch& operator=(const TableWatch&) = delete;

 private:
  TableWatch(std::string table, std::function<void(const std::string&)> touched,
             int socket, int stop);
  void Run();

  const std::string table_;
  const std::function<void(const std::string&)> touched_;
  const int socket_;
  const int stop_;  // eventfd
  std::thread thread_;
};

}  // namespace sluice::agent
