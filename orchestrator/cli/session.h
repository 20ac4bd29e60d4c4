// What the commands that talk to the orchestrator share.

#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/cli/client.h"
#include "orchestrator/cli/terminal.h"

namespace sluice::cli {

struct Common {
  std::string client_file;  // --client
  bool json = false;        // --json
};

// Finds client.yaml and dials.
absl::StatusOr<std::unique_ptr<Client>> Connect(const Common& common);

// As Connect(), for what is to be signed: it names the run as it is now.
struct Knowing {
  ClientConfig config;
  std::unique_ptr<Client> client;
  v1::Status status;
};
absl::StatusOr<Knowing> ConnectKnowing(const Common& common);

// Any message as JSON with the contract's own field names, every field there,
// ending in a newline.
std::string MessageJson(const google::protobuf::Message& message);

// Prints what a changing call gave, as text or JSON; its exit code.
ExitCode Report(const Terminal& terminal, bool json,
                const absl::StatusOr<v1::Accepted>& result);

}  // namespace sluice::cli
