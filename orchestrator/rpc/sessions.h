// Operators' sessions: short, few, and known to the server by a digest only.
// They live in memory: an orchestrator that restarts asks everybody to log in
// again, which `sluice` does by itself. Any thread.

#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace sluice::rpc {

// Find() says that a session is unknown or over, and nothing worse.
bool IsSessionsEnd(const absl::Status& status);

class Sessions {
 public:
  struct Options {
    absl::Duration life = absl::Hours(12);
    absl::Duration idle = absl::Hours(1);
    size_t each = 8;  // an operator's; one more ends the one unused longest
  };
  struct Found {
    OperatorId who;
    std::string key;  // that it was opened with, "SHA256:…"
  };

  explicit Sessions(Options options) : options_(options) {}
  const Options& options() const { return options_; }

  // Opens one, bound to the peer's address; its token.
  std::string Open(const OperatorId& who, const std::string& key,
                   absl::string_view peer, absl::Time now);
  // Unauthenticated when it is unknown, over, unused for too long, or comes
  // from another address. An empty `peer` is not compared.
  absl::StatusOr<Found> Find(absl::string_view token, absl::string_view peer,
                             absl::Time now);
  void Close(absl::string_view token);
  void CloseKey(const std::string& key);
  size_t size() const;

 private:
  struct Session {
    OperatorId who;
    std::string key;
    std::string address;
    absl::Time until;
    absl::Time used;
  };
  // REQUIRES of all: mutex_ is held.
  bool Over(const Session& session, absl::Time now) const;
  void MakeRoom(const OperatorId& who, absl::Time now);

  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, Session> sessions_;  // by digest; guarded by mutex_
};

// Where a peer calls from, without the port: "ipv4:10.77.0.5", "unix".
std::string AddressOf(absl::string_view peer);

}  // namespace sluice::rpc
