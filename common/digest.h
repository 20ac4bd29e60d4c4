// SHA-256, always shown as "sha256:" and 64 lower-case hex digits.

#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace sluice {

// The digest of `bytes`, as "sha256:…".
std::string Sha256(absl::string_view bytes);

// "sha256:" and 64 lower-case hex digits, nothing else.
bool IsDigest(absl::string_view text);

// The first 12 hex digits, for people: "3f2a91c04b7e".
std::string ShortDigest(absl::string_view digest);

}  // namespace sluice
