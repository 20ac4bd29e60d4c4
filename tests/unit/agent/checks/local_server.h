// Real sockets on loopback, answering what a test tells them to.

#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "common/contract.h"

namespace sluice::agent {

// A socket on 127.0.0.1 and a port of the kernel's choice.
class LocalSocket {
 public:
  explicit LocalSocket(int type, const char* address = "127.0.0.1")
      : fd_(socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    sockaddr_in in = {};
    in.sin_family = AF_INET;
    inet_pton(AF_INET, address, &in.sin_addr);
    SLUICE_CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&in), sizeof in) == 0);
    socklen_t size = sizeof in;
    SLUICE_CHECK(getsockname(fd_, reinterpret_cast<sockaddr*>(&in), &size) ==
                 0);
    port_ = ntohs(in.sin_port);
  }
  ~LocalSocket() { close(fd_); }
  LocalSocket(const LocalSocket&) = delete;
  LocalSocket& operator=(const LocalSocket&) = delete;

  void Listen() { SLUICE_CHECK(listen(fd_, 16) == 0); }
  int fd() const { return fd_; }
  uint16_t port() const { return port_; }

 private:
  int fd_;
  uint16_t port_ = 0;
};

// Whether the other end of this connection on 127.0.0.1 has read all that was
// sent to it, as the kernel counts.
inline bool PeerHasReadAll(int fd) {
  sockaddr_in peer = {};
  socklen_t size = sizeof peer;
  getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size);
  std::ifstream table("/proc/net/tcp");
  for (std::string line; std::getline(table, line);) {
    unsigned port = 0;
    unsigned unread = 0;
    if (std::sscanf(line.c_str(), " %*d: %*8x:%x %*8x:%*x %*x %*x:%x", &port,
                    &unread) == 2 &&
        port == ntohs(peer.sin_port)) {
      return unread == 0;
    }
  }
  return true;  // it is gone
}

// Answers each connection with the same bytes after it asked something. The
// first `alone` of them are read before the others come.
class LocalServer {
 public:
  explicit LocalServer(std::string answer, size_t alone = 0)
      : answer_(std::move(answer)), alone_(alone) {
    socket_.Listen();
    thread_ = std::thread([this] { Run(); });
  }
  ~LocalServer() {
    stop_ = true;
    shutdown(socket_.fd(), SHUT_RDWR);
    thread_.join();
  }

  uint16_t port() const { return socket_.port(); }
  std::string asked() const { return asked_; }

 private:
  void Run() {
    while (!stop_) {
      const int fd = accept(socket_.fd(), nullptr, nullptr);
      if (fd < 0) continue;
      char buffer[4096];
      const ssize_t got = read(fd, buffer, sizeof buffer);
      if (got > 0) {
        asked_.assign(buffer, static_cast<size_t>(got));
        size_t sent = 0;
        while (sent < answer_.size()) {
          const size_t until = sent < alone_ ? alone_ : answer_.size();
          const ssize_t some =
              send(fd, answer_.data() + sent, until - sent, MSG_NOSIGNAL);
          if (some <= 0) break;
          sent += static_cast<size_t>(some);
          while (sent == alone_ && !PeerHasReadAll(fd)) {
            std::this_thread::yield();
          }
        }
      }
      close(fd);
    }
  }

  LocalSocket socket_{SOCK_STREAM};
  const std::string answer_;
  const size_t alone_;
  std::string asked_;  // read after the exchange is over
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace sluice::agent
