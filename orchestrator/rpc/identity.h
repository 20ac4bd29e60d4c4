// Who is at the other end: what the peer's certificate says, nothing else.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace grpc {
class ServerContextBase;
}

namespace sluice::rpc {

// From the one URI of a certificate's subject alternative names:
// "sluice://ESTATE/agent/HOST", "sluice://ESTATE/operator/NAME" or
// "sluice://ESTATE/orchestrator".
struct Identity {
  enum class Kind { kAgent, kOperator, kOrchestrator };
  Kind kind = Kind::kOperator;
  std::string estate;
  std::string name;  // empty for the orchestrator

  static absl::StatusOr<Identity> Parse(absl::string_view uri);

  // "host db-1", "operator duty-commander", "the orchestrator".
  std::string ToString() const;
};

// The peer of a call, when it is of this `kind` and `estate`; otherwise
// PermissionDenied in a sentence.
absl::StatusOr<Identity> Authenticate(const grpc::ServerContextBase& context,
                                      Identity::Kind kind,
                                      absl::string_view estate);

}  // namespace sluice::rpc
