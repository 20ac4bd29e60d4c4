// One connection to a service, in TLS where it is asked for, that waits no
// longer than its time and ends at once when the agent does.

#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agents/checks/stop.h"
#include "common/prefix.h"

namespace sluice::agent {

// Errors of all: kUnavailable, nobody is there; kCancelled, the agent is
// ending; anything else, it is there and not as it should be. Each is a few
// words, without the address.
class Conversation {
 public:
  // `stop` outlives it.
  Conversation(const Prefix& place, uint16_t port, absl::Time until,
               const Stop& stop)
      : place_(place), port_(port), until_(until), stop_(stop) {}
  ~Conversation();
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  absl::Status Connect();

  // TLS 1.2 or later. Its certificate has to be of one of `authorities` (a PEM
  // file; empty: the system's own), of this time, and for `name`, or for the
  // address when that is empty.
  absl::Status StartTls(const std::string& name,
                        const std::string& authorities);

  // Whole days until the server's certificate ends; none without TLS, or when
  // it cannot be read.
  std::optional<int> CertificateDays() const;

  absl::Status Write(absl::string_view text);
  // What came, at most `size` bytes; 0 at its end.
  absl::StatusOr<size_t> Read(char* buffer, size_t size);

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  // Until the socket is readable or writable.
  absl::Status Wait(short events) const;
  // What to wait for after `result` of a call of OpenSSL's; an error when it
  // failed for good.
  absl::Status WaitForTls(int result, absl::string_view what) const;

  const Prefix place_;
  const uint16_t port_;
  const absl::Time until_;
  const Stop& stop_;
  int fd_ = -1;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace sluice::agent
