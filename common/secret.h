// Secrets: drawn from the kernel's randomness, kept only as digests.

#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice {

// `bytes` random bytes in lower-case hex.
std::string RandomHex(size_t bytes);

// HMAC-SHA-256 of `text` under `key`, in lower-case hex.
std::string Hmac(absl::string_view key, absl::string_view text);

// Whether two texts are equal, in a time that does not tell where they differ.
bool SameSecret(absl::string_view a, absl::string_view b);

}  // namespace sluice
