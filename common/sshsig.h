// Signatures in OpenSSH's own form, as `ssh-keygen -Y sign` writes them and
// `ssh-keygen -Y verify` reads them (PROTOCOL.sshsig), so that people sign with
// the key they carry and a third party needs nothing of ours to check them.

#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/signature.h"
#include "common/ssh_key.h"

namespace sluice {

// OK when `armoured` is a signature by `key` over exactly `message`, made for
// `name_space`. Accepted: ssh-ed25519, ecdsa-sha2-nistp256, rsa-sha2-256 and
// -512 (never ssh-rsa, which is SHA-1), and the hardware forms, for which the
// signature must say that a person was present. InvalidArgument when it cannot
// be read, PermissionDenied when it says something else.
absl::Status VerifySsh(const SshPublicKey& key, absl::string_view name_space,
                       absl::string_view message, absl::string_view armoured);

// The key that a signature says it is by; nothing is verified.
absl::StatusOr<SshPublicKey> SignerOf(absl::string_view armoured);

class SshVerifier : public SignatureVerifier {
 public:
  absl::Status Verify(absl::string_view public_key,
                      absl::string_view name_space, absl::string_view message,
                      absl::string_view signature) const override;
};

// A key that signs by itself, without a person: a host's evidence key.
class SshSigner : public Signer {
 public:
  // A new ed25519 key.
  static SshSigner Make();
  // From the PEM that pem() gives.
  static absl::StatusOr<SshSigner> FromPem(absl::string_view pem);

  // PKCS #8, unencrypted: for a file of mode 0600.
  std::string Pem() const;
  const SshPublicKey& public_key() const { return public_key_; }
  // Armoured, hashed with SHA-512.
  std::string Sign(absl::string_view name_space,
                   absl::string_view message) const override;

 private:
  explicit SshSigner(std::shared_ptr<void> key);

  std::shared_ptr<void> key_;  // an EVP_PKEY
  SshPublicKey public_key_;
};

}  // namespace sluice
