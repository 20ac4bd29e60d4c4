// An estate's own certificate authority: P-256, SHA-256, X.509 v3.
//
// It signs the orchestrator's certificate and one issuer's, and then goes into
// a safe. The issuer lives on the orchestrator and can sign for clients alone:
// agents take no server that the authority did not sign itself, so whoever
// takes the issuer's key can pretend to be hosts, never the orchestrator
// (docs/decisions/0008-identities.md).

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/prefix.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace sluice {

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
  // An issuer under this one: it signs clients' certificates and nothing else.
  absl::StatusOr<Authority> MakeIssuer(absl::string_view estate) const;
  // One from its files. InvalidArgument when the key is not the certificate's.
  static absl::StatusOr<Authority> Load(const Credential& credential);

  ~Authority();
  Authority(Authority&&) noexcept;
  Authority& operator=(Authority&&) noexcept;

  const Credential& credential() const { return credential_; }

  // A certificate with a key of its own, good for `days` from now; never
  // beyond the authority's.
  absl::StatusOr<Credential> Issue(const Bearer& bearer, int days) const;

  // A certificate (PEM) for the key of a signing request, or of another
  // certificate. REQUIRES: the request was checked (CheckSigningRequest), or
  // the certificate's bearer proved that the key is theirs.
  absl::StatusOr<std::string> CertifyRequest(absl::string_view request_pem,
                                             const Bearer& bearer,
                                             int days) const;
  absl::StatusOr<std::string> CertifyAgain(absl::string_view certificate_pem,
                                           const Bearer& bearer,
                                           int days) const;

 private:
  struct Parts;
  Authority(std::unique_ptr<Parts> parts, Credential credential);
  absl::StatusOr<std::string> Certify(struct evp_pkey_st* key,
                                      const Bearer& bearer, int days) const;

  std::unique_ptr<Parts> parts_;
  Credential credential_;
};

}  // namespace sluice
