// Keeping secrets to oneself: files that nobody else reads, and no memory of
// ours on disk after a crash.

#pragma once

#include <string>

#include "absl/status/status.h"

namespace sluice {

// Whether a secret file is as private as it should be: its mode 0600 or less,
// in a directory of mode 0700 or less. FailedPrecondition says which is not,
// and the command that helps.
absl::Status CheckPrivate(const std::string& path);

// No core file, and no other process of the same user looks into this one.
void KeepOutOfCores();

}  // namespace sluice
