// A digest as four words to read aloud on the telephone.

#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace sluice {

// "amber-falcon-river-stone": the first four bytes of "sha256:…", a word each.
// For a quick comparison between people who trust each other; a program
// compares the whole digest. Empty when `digest` is not a digest.
std::string DigestPhrase(absl::string_view digest);

}  // namespace sluice
