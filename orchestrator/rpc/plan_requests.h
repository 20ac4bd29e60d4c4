// Another manifest's plan: looked at beside the run, and put in force.

#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/journal/codec.h"
#include "orchestrator/rpc/requests.h"

namespace sluice::v1 {
class Manifest;
class PlanPreview;
class PlanRequest;
}  // namespace sluice::v1

namespace sluice::rpc {

// What adopting a plan is called to whom may not.
inline constexpr char kChangeThePlan[] = "change the plan";

struct ManifestPlan {
  std::shared_ptr<const Plan> plan;
  std::string sources;      // encoded
  std::string from_digest;  // of the plan it was compared with; may be empty
};

// Reads the manifest and makes its plan: slow for a large one, so not for the
// loop's thread. InvalidArgument: no manifest, or not the plan that the
// operator's own program makes of it.
absl::StatusOr<ManifestPlan> PlanOf(const v1::PlanRequest& request,
                                    const journal::PlanLoader& load_plan);

Maker MakeAdoption(const OperatorId& by, const ManifestPlan& plan);
absl::Status FillPreview(const runtime::Glimpse& glimpse, const OperatorId& by,
                         const ManifestPlan& plan, v1::PlanPreview* out);
// FailedPrecondition when no plan is in force.
// `previous`: of the plan before the one in force; NotFound without one.
absl::Status FillManifest(const runtime::Glimpse& glimpse, bool previous,
                          v1::Manifest* out);

}  // namespace sluice::rpc
