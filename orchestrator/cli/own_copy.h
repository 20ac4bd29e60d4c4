// What an operator checks before signing: that the release order says what
// their own copy of the manifest says, and that the evidence it stands on was
// given by the hosts themselves. Nothing here believes the orchestrator.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/release_order.h"
#include "orchestrator/cli/client_config.h"
#include "orchestrator/planner/plan.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

struct OwnCopy {
  std::string manifest;  // the file
  std::shared_ptr<const Plan> plan;
  std::string keys_file;  // hosts.keys beside it
  // One line as in authorized_keys, by host; empty when there is no file.
  std::map<HostId, std::string> host_keys;
};

// The manifest named on the command line, else client.yaml's. NotFound says
// how to name one; InvalidArgument what is wrong with it or with hosts.keys.
absl::StatusOr<OwnCopy> LoadOwnCopy(const std::string& named,
                                    const ClientConfig& config);

// "HOST TYPE BASE64 [comment]", one a line; `#` begins a comment line. Also an
// allowed_signers file for ssh-keygen -Y verify.
absl::StatusOr<std::map<HostId, std::string>> ParseHostKeys(
    const std::string& text, const std::string& file);

// OK when the order's stage, steps, gate rule, flows, leases, soaks and
// validity are those that the own copy gives. FailedPrecondition says what
// differs;
// nothing may be signed then. The plan's own digest is not compared: after a
// change elsewhere in the estate a gate keeps its round, since what people
// decide there is the same.
absl::Status CheckOrder(const ReleaseOrder& order, const Plan& plan);

// One sentence when the order follows another plan than the own copy's, empty
// when it is the same. `in_force`: the plan that the orchestrator says is; it
// tells newer from older, and nothing hangs on it.
std::string PlanBeside(const ReleaseOrder& order, const Plan& plan,
                       absl::string_view in_force);

// OK when every host of the order signed exactly the evidence shown, with the
// digest the order names, for its quarantine and this round, and was asked what
// the own copy asks. An inspection that does not pass counts only when the gate
// shows it as waived; it is added to `without_pass`, for the person to accept.
absl::Status CheckEvidence(const ReleaseOrder& order,
                           const v1::GateDetail& detail, const OwnCopy& own,
                           std::vector<std::string>* without_pass);

}  // namespace sluice::cli
