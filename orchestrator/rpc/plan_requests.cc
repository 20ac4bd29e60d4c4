#include "orchestrator/rpc/plan_requests.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/status.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::rpc {
namespace {

constexpr int kMostFiles = 1000;

absl::Status NoPlan() {
  return absl::FailedPreconditionError(
      "the orchestrator has no plan; give it a manifest and restart it");
}

// What was compared has to be what is replaced.
absl::Status CheckCompared(const runtime::Glimpse& glimpse,
                           const ManifestPlan& plan) {
  const std::shared_ptr<const Plan> present = glimpse.engine.plan();
  if (present == nullptr) return NoPlan();
  if (plan.from_digest.empty() || plan.from_digest == present->digest) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "plan ", glimpse.engine.plan_number(), " (", ShortDigest(present->digest),
      ") was put in force since you looked; look again at what changes with "
      "`sluice replan`"));
}

void FillLine(const engine::ReplanView::Line& line, v1::PlanEffect* out) {
  out->set_name(line.name);
  out->set_fate(line.fate);
  out->set_state(line.state);
  out->set_text(line.text);
}

}  // namespace

absl::StatusOr<ManifestPlan> PlanOf(const v1::PlanRequest& request,
                                    const journal::PlanLoader& load_plan) {
  if (load_plan == nullptr) {
    return absl::FailedPreconditionError(
        "this orchestrator cannot read manifests that are sent to it; restart "
        "it with the new one after the run has ended");
  }
  if (request.files().empty() || request.files_size() > kMostFiles) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a manifest is 1 to ", kMostFiles, " files, and ", request.files_size(),
        " came; name one with `sluice replan MANIFEST`"));
  }
  std::vector<journal::SourceFile> files;
  for (const v1::ManifestFile& file : request.files()) {
    files.push_back({file.name(), file.text()});
  }
  ManifestPlan made;
  absl::StatusOr<std::shared_ptr<const Plan>> plan = load_plan(files);
  if (!plan.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the orchestrator finds mistakes in the manifest, and nothing was "
        "changed:\n",
        plan.status().message()));
  }
  made.plan = *std::move(plan);
  made.sources = journal::EncodeSources(files);
  made.from_digest = request.from_digest();
  if (!request.plan_digest().empty() &&
      request.plan_digest() != made.plan->digest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "your program makes plan ", ShortDigest(request.plan_digest()),
        " of this manifest and the orchestrator makes ",
        ShortDigest(made.plan->digest),
        "; nothing was changed. Use the version of Sluice that the "
        "orchestrator has"));
  }
  return made;
}

Maker MakeAdoption(const OperatorId& by, const ManifestPlan& plan) {
  return [by, plan](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, kChangeThePlan));
    SLUICE_RETURN_IF_ERROR(CheckCompared(glimpse, plan));
    engine::PlanAdopted adopted;
    adopted.number = glimpse.engine.plan_number() + 1;
    adopted.plan = plan.plan;
    adopted.sources = plan.sources;
    adopted.by = by;
    return adopted;
  };
}

absl::Status FillPreview(const runtime::Glimpse& glimpse, const OperatorId& by,
                         const ManifestPlan& plan, v1::PlanPreview* out) {
  SLUICE_RETURN_IF_ERROR(CheckCompared(glimpse, plan));
  SLUICE_ASSIGN_OR_RETURN(
      const engine::ReplanView view,
      glimpse.engine.PreviewPlan(plan.plan, by, glimpse.now));
  out->set_plan_digest(view.plan_digest);
  out->set_plan_number(view.plan_number);
  out->set_run(view.run.str());
  for (const auto& line : view.steps) FillLine(line, out->add_steps());
  for (const auto& line : view.gates) FillLine(line, out->add_gates());
  for (const auto& line : view.hosts) FillLine(line, out->add_hosts());
  return absl::OkStatus();
}

absl::Status FillManifest(const runtime::Glimpse& glimpse, bool previous,
                          v1::Manifest* out) {
  const std::shared_ptr<const Plan> plan = glimpse.engine.plan();
  const std::string* sources =
      previous ? glimpse.previous_sources : glimpse.sources;
  if (plan == nullptr || sources == nullptr) return NoPlan();
  if (previous && sources->empty()) {
    return absl::NotFoundError("no other plan was in force before this one");
  }
  SLUICE_ASSIGN_OR_RETURN(const std::vector<journal::SourceFile> files,
                          journal::DecodeSources(*sources));
  for (const journal::SourceFile& file : files) {
    v1::ManifestFile* to = out->add_files();
    to->set_name(file.name);
    to->set_text(file.text);
  }
  // Whoever asks for an earlier one makes its plan from the text.
  if (previous) return absl::OkStatus();
  out->set_plan_digest(plan->digest);
  out->set_plan_number(glimpse.engine.plan_number());
  return absl::OkStatus();
}

}  // namespace sluice::rpc
