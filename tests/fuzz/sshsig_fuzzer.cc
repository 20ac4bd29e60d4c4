// libFuzzer over what reads keys and signatures, which come from anybody: no
// input crashes it, and no changed signature is a good one.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/sshsig.h"

namespace {

const sluice::SshSigner& Signer() {
  static const sluice::SshSigner signer = sluice::SshSigner::Make();
  return signer;
}

}  // namespace

// The first byte says what the rest is: a line with a key, an armoured
// signature, or a signature's bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) {
    const auto key = sluice::SshPublicKey::Parse(text);
    if (!key.ok()) return 0;
    const auto again = sluice::SshPublicKey::Parse(key->Line());
    if (!again.ok() || !(*again == *key)) std::abort();
    return 0;
  }
  const std::string armoured =
      data[0] % 3 == 1 ? text
                       : absl::StrCat("-----BEGIN SSH SIGNATURE-----\n",
                                      absl::Base64Escape(text),
                                      "\n-----END SSH SIGNATURE-----\n");
  const auto signer = sluice::SignerOf(armoured);
  if (signer.ok()) {
    VerifySsh(*signer, "decision@sluice", "a text", armoured).IgnoreError();
  }
  // Nobody guesses a signature of a key made a moment ago.
  if (VerifySsh(Signer().public_key(), "decision@sluice", "a text", armoured)
          .ok()) {
    std::abort();
  }
  return 0;
}
