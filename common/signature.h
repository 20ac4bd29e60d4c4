// Signatures, as the rooms without cryptography see them.
//
// A signature is always made for one purpose: its namespace is part of what is
// signed, so that a login can never be taken for a decision.

#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sluice {

// The fixed list. `ssh-keygen -Y sign -n decision@sluice` uses the same words.
namespace signed_as {
inline constexpr absl::string_view kLogin = "login@sluice";
inline constexpr absl::string_view kDecision = "decision@sluice";
inline constexpr absl::string_view kTask = "task@sluice";
inline constexpr absl::string_view kEvidence = "evidence@sluice";
inline constexpr absl::string_view kIsolate = "isolate@sluice";
inline constexpr absl::string_view kBreakGlass = "break-glass@sluice";
inline constexpr absl::string_view kRotation = "rotation@sluice";
inline constexpr absl::string_view kDelegation = "delegation@sluice";
}  // namespace signed_as

class SignatureVerifier {
 public:
  virtual ~SignatureVerifier() = default;

  // OK when the owner of `public_key` (one line as in authorized_keys, without
  // options) signed exactly `message` for `name_space`. PermissionDenied when
  // somebody or something else was signed, InvalidArgument when the key or the
  // signature cannot be read; the message says which and never repeats
  // untrusted bytes.
  virtual absl::Status Verify(absl::string_view public_key,
                              absl::string_view name_space,
                              absl::string_view message,
                              absl::string_view signature) const = 0;
};

// Signs without a person: a host's own key.
class Signer {
 public:
  virtual ~Signer() = default;
  // Armoured, over exactly `message` for `name_space`.
  virtual std::string Sign(absl::string_view name_space,
                           absl::string_view message) const = 0;
};

}  // namespace sluice
