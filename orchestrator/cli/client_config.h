// client.yaml: where the orchestrator is, and who asks.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::cli {

struct ClientConfig {
  std::string file;  // where it was read
  // "10.77.0.1:7443", "[fd77::1]:7443", "unix:/absolute/path"; tried in this
  // order.
  std::vector<std::string> orchestrators;
  // Who logs in, with an SSH key.
  std::string who;
  std::string authority_pem;
  // The SSH key that decisions are signed with, or its .pub; may be empty.
  std::string signing_key;
  // The operator's own copy of the manifest; may be empty.
  std::string manifest;
};

// Reads the file named, or else $SLUICE_CLIENT, ./client.yaml,
// ~/.config/sluice/client.yaml: the first that is set or there. Paths in it
// are relative to it. The message says where was looked and what to do.
absl::StatusOr<ClientConfig> LoadClientConfig(const std::string& named);

}  // namespace sluice::cli
