// What a failed call means for a person.

#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sluice::cli {

// Why one address did not answer, as gRPC put it.
struct FailedAddress {
  std::string address;
  std::string reason;  // empty: it did not answer in time
};

// No address answered: Unavailable, or PermissionDenied when what answered is
// not of our authority.
absl::Status NobodyAnswers(const std::vector<FailedAddress>& failed);

// A call failed after the connection stood. Refusals keep the orchestrator's
// own sentence; what gRPC says of a broken connection becomes one.
// `changes`: the call could have changed something.
absl::Status CallFailed(const std::string& address, int grpc_code,
                        absl::string_view message, bool changes);

}  // namespace sluice::cli
