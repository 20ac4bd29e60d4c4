#include "common/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "absl/strings/escaping.h"
#include "common/contract.h"

namespace sluice {

std::string RandomHex(size_t bytes) {
  std::string drawn(bytes, '\0');
  // Without randomness nothing here can be kept secret: better not to run.
  SLUICE_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(drawn.data()),
                          static_cast<int>(bytes)) == 1);
  std::string hex = absl::BytesToHexString(drawn);
  OPENSSL_cleanse(drawn.data(), drawn.size());
  return hex;
}

std::string Hmac(absl::string_view key, absl::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  SLUICE_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                    reinterpret_cast<const unsigned char*>(text.data()),
                    text.size(), digest, &size) != nullptr);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), size));
}

bool SameSecret(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() &&
         CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace sluice
