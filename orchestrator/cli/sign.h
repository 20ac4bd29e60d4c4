// Signing with the key that a person carries: `ssh-keygen -Y sign` does it, so
// that key files, ssh-agent and hardware keys all work, and no private key is
// ever read here.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/cli/client_config.h"

namespace sluice::cli {

// The key to sign with: the one named on the command line, else client.yaml's
// `signing-key`, else the first of ~/.ssh/id_ed25519_sk, id_ecdsa_sk,
// id_ed25519, id_ecdsa, id_rsa that is there. NotFound says how to name one.
absl::StatusOr<std::string> FindSigningKey(const std::string& named,
                                           const ClientConfig& config);

// The armoured signature over exactly `text` for `name_space`. `key` is a file
// with a private key, or with a public one whose private part an ssh-agent
// holds. ssh-keygen asks for a passphrase or a touch at the terminal itself.
absl::StatusOr<std::string> SignText(const std::string& key,
                                     absl::string_view name_space,
                                     absl::string_view text);

}  // namespace sluice::cli
