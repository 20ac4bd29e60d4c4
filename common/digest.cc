#include "common/digest.h"

#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/contract.h"

namespace sluice {
namespace {
constexpr absl::string_view kPrefix = "sha256:";
constexpr size_t kHexDigits = 64;
}  // namespace

std::string Sha256(absl::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  SLUICE_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size,
                          EVP_sha256(), nullptr) == 1);
  return absl::StrCat(kPrefix,
                      absl::BytesToHexString(absl::string_view(
                          reinterpret_cast<const char*>(digest), size)));
}

bool IsDigest(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, kPrefix) || text.size() != kHexDigits) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

std::string ShortDigest(absl::string_view digest) {
  absl::ConsumePrefix(&digest, kPrefix);
  return std::string(digest.substr(0, 12));
}

}  // namespace sluice
