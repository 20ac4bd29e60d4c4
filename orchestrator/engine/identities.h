// Who may speak: hosts' keys, the tokens that let a host bring one, and keys
// that may never speak again. Part of the state, so that every enrolment and
// revocation is in the journal and survives a restart.
//
// Identity is the key. A host has one; a new one shuts the old one out, and a
// key that was revoked stays so for ever, whatever certificate it comes with.

#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "orchestrator/engine/event.h"

namespace sluice::engine {

class Identities {
 public:
  struct Host {
    std::string key;           // "sha256:…" of its certificate's public key
    std::string evidence_key;  // an OpenSSH line, may be empty
    absl::Time since;

    friend bool operator==(const Host&, const Host&) = default;
  };
  struct Token {
    HostId host;
    OperatorId by;
    absl::Time until;

    friend bool operator==(const Token&, const Token&) = default;
  };

  // Whether the change can be made now; a sentence when not.
  absl::Status Admit(const IdentityChanged& change, absl::Time now) const;
  // REQUIRES: it was admitted.
  void Apply(const IdentityChanged& change, absl::Time now);

  bool IsRevoked(const std::string& key) const {
    return revoked_.contains(key);
  }
  // nullptr: the host has no key (yet, or any more).
  const Host* Find(const HostId& host) const;

  const std::map<HostId, Host>& hosts() const { return hosts_; }
  // By the digest of their secret; used and withdrawn ones are gone.
  const std::map<std::string, Token>& tokens() const { return tokens_; }
  const std::set<std::string>& revoked() const { return revoked_; }

 private:
  std::map<HostId, Host> hosts_;
  std::map<std::string, Token> tokens_;
  std::set<std::string> revoked_;
};

// One line of history; empty when the change is not worth one.
std::string InWords(const IdentityChanged& change);

}  // namespace sluice::engine
