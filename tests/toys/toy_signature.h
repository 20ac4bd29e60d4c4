// Signatures without keys, for tests that are about something else: fast, the
// same on every run, and wrong in the same cases as real ones.

#pragma once

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/signature.h"

namespace sluice::testing {

inline std::string ToySign(absl::string_view public_key,
                           absl::string_view name_space,
                           absl::string_view message) {
  return absl::StrCat("toy ", Sha256(absl::StrCat(public_key, "\n", name_space,
                                                  "\n", message)));
}

class ToySigner : public Signer {
 public:
  explicit ToySigner(std::string public_key)
      : public_key_(std::move(public_key)) {}
  std::string Sign(absl::string_view name_space,
                   absl::string_view message) const override {
    return ToySign(public_key_, name_space, message);
  }

 private:
  std::string public_key_;
};

class ToyVerifier : public SignatureVerifier {
 public:
  absl::Status Verify(absl::string_view public_key,
                      absl::string_view name_space, absl::string_view message,
                      absl::string_view signature) const override {
    if (signature == ToySign(public_key, name_space, message)) {
      return absl::OkStatus();
    }
    return absl::PermissionDeniedError("the toy signature is not of this text");
  }
};

}  // namespace sluice::testing
