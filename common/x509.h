// Certificates, as those who check them see them: what one says, whether an
// authority stands behind it, and the keys and requests they begin with.
//
// Identity is the key: a certificate is known by the digest of its public key,
// which stays the same when it is renewed.

#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sluice {

struct Certificate {
  std::vector<std::string> uris;  // subject alternative names
  std::string key;                // "sha256:…" of the public key (SPKI, DER)
  std::string digest;             // "sha256:…" of the whole (DER)
  std::string issuer_key;         // "sha256:…", when an authority was found
  absl::Time from;
  absl::Time until;

  bool ExpiredAt(absl::Time now) const { return now < from || now >= until; }
};

// The first certificate in a PEM text. InvalidArgument when there is none.
absl::StatusOr<Certificate> ReadCertificate(absl::string_view pem);

enum class CertificateUse { kClient, kServer };

// Whether `authority` stands behind the first certificate in `pem`, directly
// or through the issuers in `between` (PEM texts one after the other; may be
// empty), for this use. Time is not looked at: hosts in quarantine have no
// true clock, and whoever has one asks Certificate::ExpiredAt(). Only P-256
// keys and SHA-256 are accepted. PermissionDenied in a sentence otherwise.
absl::StatusOr<Certificate> VerifyCertificate(absl::string_view pem,
                                              absl::string_view between,
                                              absl::string_view authority,
                                              CertificateUse use);

// The certificates of a PEM text, each a PEM text of its own; at most 16.
std::vector<std::string> SplitPem(absl::string_view pem);

// A new P-256 key (PKCS#8, PEM, not encrypted).
absl::StatusOr<std::string> MakeKey();

// "sha256:…" of a private key's public half (SPKI, DER).
absl::StatusOr<std::string> KeyDigest(absl::string_view key_pem);

// A PKCS#10 request for that key. What it asks to be called is for people:
// whoever signs decides whom the certificate names.
absl::StatusOr<std::string> MakeSigningRequest(absl::string_view key_pem,
                                               absl::string_view name);

// The key digest of a request whose signature proves that the key is the
// asker's. InvalidArgument otherwise, or when the key is not P-256.
absl::StatusOr<std::string> CheckSigningRequest(absl::string_view request_pem);

}  // namespace sluice
