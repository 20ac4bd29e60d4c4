// `sluice init`: an authority, certificates and configuration for an estate.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/plan.h"

namespace sluice::cli {

struct InitOptions {
  std::string out;
  int days = 365;
  bool add = false;  // to an authority that is there
  // Keys for agents too, made here: for hosts that cannot enrol.
  bool agent_keys = false;
};

struct InitReport {
  std::vector<std::string> agents;     // made now
  std::vector<std::string> operators;  // made now
  // Approvers whose SSH key the manifest does not name: they cannot log in.
  std::vector<std::string> keyless;
  int kept = 0;                        // there already, not touched
  bool made_orchestrator = false;
  // --add: the orchestrator's copy of the manifest is not this one.
  bool manifest_differs = false;
};

// Writes DIR as the operations guide describes it: authority/, orchestrator/,
// agents/HOST/, operators/NAME/. Directories 0700, files 0600. Nothing that is
// there is ever overwritten; without `add` an authority that is there is
// AlreadyExists, and nothing is written at all.
absl::StatusOr<InitReport> Init(const Plan& plan,
                                const ManifestSources& sources,
                                const InitOptions& options);

}  // namespace sluice::cli
