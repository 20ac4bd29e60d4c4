// Whom a certificate names.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

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

}  // namespace sluice::rpc
