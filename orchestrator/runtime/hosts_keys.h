// hosts.keys: the hosts' evidence keys, beside the manifest.
//
// One line a host, as `sluice-agent evidence-key` prints it:
//   db-1 ssh-ed25519 AAAA…
// Operators keep a copy beside their own manifest and compare what changes:
// what stands in the orchestrator's is what hosts brought to it.

#pragma once

#include <string>

#include "absl/status/status.h"
#include "orchestrator/engine/identities.h"

namespace sluice::runtime {

std::string HostsKeysText(const engine::Identities& identities);

// Replaces the file as a whole when it would change.
absl::Status WriteHostsKeys(const std::string& path,
                            const engine::Identities& identities);

}  // namespace sluice::runtime
