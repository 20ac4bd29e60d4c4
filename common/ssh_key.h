// OpenSSH public keys, as people's authorized_keys hold them.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice {

class SshPublicKey {
 public:
  enum class Kind : uint8_t {
    kEd25519,    // ssh-ed25519
    kEcdsaP256,  // ecdsa-sha2-nistp256
    kRsa,        // ssh-rsa, 2048 to 16384 bits; signs with SHA-2 only
    kSkEd25519,  // sk-ssh-ed25519@openssh.com, a hardware key
    kSkEcdsa,    // sk-ecdsa-sha2-nistp256@openssh.com, a hardware key
  };

  // "TYPE BASE64 [comment]". Options before the type, other types, weak keys
  // and anything but one line are InvalidArgument.
  static absl::StatusOr<SshPublicKey> Parse(absl::string_view line);
  // From the protocol's own form.
  static absl::StatusOr<SshPublicKey> FromBlob(absl::string_view blob);

  Kind kind() const { return kind_; }
  // Present when a person has to touch the key for each signature.
  bool is_hardware() const {
    return kind_ == Kind::kSkEd25519 || kind_ == Kind::kSkEcdsa;
  }
  const std::string& blob() const { return blob_; }
  // What a hardware key is bound to: "ssh:".
  const std::string& application() const { return application_; }
  // "TYPE BASE64": the one form to store and to compare.
  std::string Line() const;
  // "SHA256:…", as ssh-keygen -l shows it.
  std::string Fingerprint() const;

  // Whether `signature` (the algorithm's own bytes: 64 for Ed25519, r and s as
  // SSH integers for ECDSA) is this key's over `bytes`, hashed by `digest`
  // ("SHA256", "SHA512"; ignored for Ed25519).
  bool Verifies(absl::string_view bytes, absl::string_view signature,
                const char* digest) const;

  friend bool operator==(const SshPublicKey& a, const SshPublicKey& b) {
    return a.blob_ == b.blob_;
  }

 private:
  SshPublicKey() = default;

  Kind kind_ = Kind::kEd25519;
  std::string blob_;
  std::string application_;
  std::shared_ptr<void> key_;  // an EVP_PKEY
};

}  // namespace sluice
