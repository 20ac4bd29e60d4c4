// An estate's own certificate authority: P-256, SHA-256, X.509 v3. It signs
// the orchestrator's, the agents' and the operators' certificates and nothing
// else; whoever holds ca.key can make any of them.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/prefix.h"

namespace sluice::cli {

struct Credential {
  std::string certificate_pem;
  std::string key_pem;  // PKCS#8, unencrypted: files of mode 0600
};

// Whom a certificate names and what for.
struct Bearer {
  std::string name;  // common name, for people
  std::string uri;   // "sluice://ESTATE/agent/HOST": what is believed
  std::vector<std::string> dns;
  std::vector<Prefix> addresses;  // single ones
  bool server = false;            // else a client
};

class Authority {
 public:
  // A new one for `estate`.
  static absl::StatusOr<Authority> Make(absl::string_view estate);
  // One from its files. InvalidArgument when the key is not the certificate's.
  static absl::StatusOr<Authority> Load(const Credential& credential);

  ~Authority();
  Authority(Authority&&) noexcept;
  Authority& operator=(Authority&&) noexcept;

  const Credential& credential() const { return credential_; }

  // A certificate with a key of its own, good for `days` from now; never
  // beyond the authority's.
  absl::StatusOr<Credential> Issue(const Bearer& bearer, int days) const;

 private:
  struct Parts;
  Authority(std::unique_ptr<Parts> parts, Credential credential);

  std::unique_ptr<Parts> parts_;
  Credential credential_;
};

}  // namespace sluice::cli
