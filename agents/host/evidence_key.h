// The key that a host signs its evidence with. Made on the host; its private
// part never leaves it.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/sshsig.h"

namespace sluice::agent {

// Reads the key at `path` (PKCS #8 PEM, mode 0600), or makes one there.
// PermissionDenied when others may read the file: it proves nothing then.
absl::StatusOr<SshSigner> LoadOrMakeEvidenceKey(const std::string& path);

}  // namespace sluice::agent
