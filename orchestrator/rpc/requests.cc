#include "orchestrator/rpc/requests.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/decision_text.h"
#include "common/delegation.h"
#include "common/digest.h"
#include "common/sshsig.h"
#include "common/status.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::rpc {
namespace {

constexpr size_t kMaxText = 4000;
constexpr size_t kMaxName = 512;
constexpr int kMaxSteps = 20'000;

absl::Status CheckText(const std::string& text, size_t most,
                       absl::string_view what) {
  if (text.size() <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is ", text.size(), " bytes long and at most ", most,
                   " are kept; shorten it"));
}

// The roles that the manifest in force gives an operator; none: may look and
// isolate.
std::vector<RoleId> RolesOf(const runtime::Glimpse& glimpse,
                            const OperatorId& by) {
  const std::shared_ptr<const Plan> plan = glimpse.engine.plan();
  const Approver* approver = plan == nullptr ? nullptr : plan->FindApprover(by);
  return approver == nullptr ? std::vector<RoleId>() : approver->roles;
}

constexpr size_t kMaxSignature = 16 << 10;
constexpr int kMaxTrustSignatures = 64;

// A relayed acceptance counts in the role of whose word it is; who passes it on
// answers for that with their signature.
absl::Status CheckRelay(const runtime::Glimpse& glimpse, const OperatorId& by,
                        const OperatorId& owner) {
  if (owner == by) {
    return absl::InvalidArgumentError(
        "nobody relays their own word; sign without --relayed-for");
  }
  if (!RolesOf(glimpse, owner).empty()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(
      "'", owner.str(),
      "' is not among the manifest's approvers, so their word signs nothing"));
}

std::string FingerprintOf(const std::string& line) {
  const auto key = SshPublicKey::Parse(line);
  return key.ok() ? key->Fingerprint() : std::string(key.status().message());
}

// Only the person's own key, as the manifest names it, makes a decision theirs.
absl::Status CheckSigned(const runtime::Glimpse& glimpse, const OperatorId& by,
                         absl::string_view name_space, absl::string_view text,
                         const std::string& signature) {
  const std::shared_ptr<const Plan> plan = glimpse.engine.plan();
  const Approver* approver = plan == nullptr ? nullptr : plan->FindApprover(by);
  if (approver == nullptr || approver->key.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the manifest names no key for ", by.str(),
        ", so nobody can check a signature; add `key:` to that approver"));
  }
  if (signature.empty()) {
    return absl::InvalidArgumentError(
        "nothing is decided without a signature; `sluice go`, `no-go`, "
        "`done`, `task` and `skip` make one with your SSH key");
  }
  if (signature.size() > kMaxSignature) {
    return absl::InvalidArgumentError("the signature is over 16 KiB");
  }
  const absl::Status good =
      SshVerifier().Verify(approver->key, name_space, text, signature);
  if (good.ok()) return good;
  return absl::PermissionDeniedError(
      absl::StrCat(good.message(), "; ", by.str(),
                   " signs with the key that the manifest names (",
                   FingerprintOf(approver->key), ")"));
}

// Before the signature is looked at: whether the gate asks for it at all, in
// the engine's words.
absl::Status CheckAsked(const runtime::Glimpse& glimpse,
                        const engine::DecisionMade& decision,
                        const engine::GateDetail& detail) {
  SLUICE_RETURN_IF_ERROR(glimpse.engine.Admit(decision, glimpse.now));
  if (decision.body_digest == detail.gate.body_digest) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("gate '", detail.gate.id.str(),
                   "' changed since you looked: run `sluice show ",
                   detail.gate.id.str(), "` and decide on what it says now"));
}

}  // namespace

absl::Status CheckApprover(const runtime::Glimpse& glimpse,
                           const OperatorId& by, absl::string_view what) {
  if (!RolesOf(glimpse, by).empty()) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("'", by.str(),
                   "' has no role among the manifest's approvers and may "
                   "look and isolate, not ",
                   what, "; ask an approver"));
}

Maker MakeStart(const OperatorId& by, const v1::StartRequest& request) {
  return [by, wanted = request.plan_digest()](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "start a run"));
    const std::shared_ptr<const Plan> plan = glimpse.engine.plan();
    if (plan == nullptr) {
      return absl::FailedPreconditionError(
          "the orchestrator has no plan; give it a manifest and restart it");
    }
    if (!wanted.empty() && wanted != plan->digest) {
      return absl::FailedPreconditionError(absl::StrCat(
          "your manifest gives plan ", ShortDigest(wanted),
          " and the orchestrator's gives ", ShortDigest(plan->digest),
          "; compare the two manifests, then restart the orchestrator with "
          "the right one or use its own"));
    }
    return engine::RunStarted{RunId(glimpse.next_run), by};
  };
}

Maker MakeDecision(const OperatorId& by, const v1::DecideRequest& request) {
  return [by, request](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_RETURN_IF_ERROR(CheckText(request.reason(), kMaxText, "the reason"));
    SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "decide"));
    SLUICE_ASSIGN_OR_RETURN(
        engine::GateDetail detail,
        glimpse.engine.MakeGateDetail(StageId(request.gate()), glimpse.now));
    engine::DecisionMade decision;
    decision.gate = detail.gate.id;
    decision.round = detail.gate.round;
    decision.by = by;
    decision.roles = RolesOf(glimpse, by);
    decision.go = request.go();
    decision.reason = request.reason();
    decision.body_digest = request.body_digest();
    decision.signature = request.signature();
    SLUICE_RETURN_IF_ERROR(CheckAsked(glimpse, decision, detail));
    std::string text = detail.body;
    if (!decision.go) {
      text = NoGoText(decision.body_digest, decision.reason);
    } else if (detail.gate.confirming) {
      text = ConfirmText(decision.body_digest);
    }
    SLUICE_RETURN_IF_ERROR(CheckSigned(glimpse, by, signed_as::kDecision, text,
                                       decision.signature));
    decision.text = std::make_shared<const std::string>(std::move(text));
    return decision;
  };
}

Maker MakeSignature(const OperatorId& by, const v1::SignTaskRequest& request) {
  return [by, request](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_RETURN_IF_ERROR(CheckText(request.note(), kMaxText, "the note"));
    if (!request.attachment_digest().empty() &&
        !IsDigest(request.attachment_digest())) {
      return absl::InvalidArgumentError(
          "the attachment's digest is not 'sha256:' and 64 hex digits; use "
          "what `sha256sum` prints");
    }
    SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "sign tasks"));
    const OperatorId owner(request.relayed_for());
    engine::TaskSigned signing{
        TaskId(request.task()),      by,
        RolesOf(glimpse, by),        request.note(),
        request.attachment_digest(), request.signature()};
    if (!owner.empty()) {
      SLUICE_RETURN_IF_ERROR(CheckRelay(glimpse, by, owner));
      signing.roles = RolesOf(glimpse, owner);
      signing.note =
          absl::StrCat("relayed, ", owner.str(), " told ", by.str(),
                       signing.note.empty() ? "" : ": ", signing.note);
    }
    SLUICE_RETURN_IF_ERROR(glimpse.engine.Admit(signing, glimpse.now));
    const engine::View view = glimpse.engine.MakeView(glimpse.now);
    TaskText text{.estate = view.estate,
                  .run = view.run.id,
                  .task = signing.task,
                  .relayed_for = owner,
                  .note = request.note(),
                  .attachment_digest = signing.attachment_digest};
    for (const engine::TaskView& task : view.tasks) {
      if (task.id == signing.task) text.what = task.what;
    }
    signing.text = std::make_shared<const std::string>(text.Body());
    SLUICE_RETURN_IF_ERROR(CheckSigned(glimpse, by, signed_as::kTask,
                                       *signing.text, signing.signature));
    return signing;
  };
}

Maker MakePointReport(const OperatorId& by,
                      const v1::ReportPointRequest& request) {
  return [by, request](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_RETURN_IF_ERROR(CheckText(
        request.saw(), kMaxText, request.done() ? "what was seen" : "the why"));
    SLUICE_RETURN_IF_ERROR(CheckText(request.task(), kMaxName, "the task"));
    SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "report tasks"));
    engine::PointReported word{.task = TaskId(request.task()),
                               .by = by,
                               .roles = RolesOf(glimpse, by),
                               .done = request.done(),
                               .saw = request.saw(),
                               .signature = request.signature()};
    const engine::View view = glimpse.engine.MakeView(glimpse.now);
    PointText text{.estate = view.estate,
                   .run = view.run.id,
                   .task = word.task,
                   .done = word.done,
                   .saw = word.saw};
    for (const engine::PointTaskView& task : view.point_tasks) {
      if (task.id != word.task) continue;
      word.host = text.point = task.host;
      word.order = task.order;
      text.order = task.order.str();
      text.verb = task.verb;
      text.release_digest = task.release;
      for (const engine::PointFlow& flow : task.flows) {
        text.flows.push_back(flow.flow);
      }
    }
    SLUICE_RETURN_IF_ERROR(glimpse.engine.Admit(word, glimpse.now));
    word.text = std::make_shared<const std::string>(text.Body());
    SLUICE_RETURN_IF_ERROR(CheckSigned(glimpse, by, signed_as::kPoint,
                                       *word.text, word.signature));
    return word;
  };
}

Maker MakeIsolation(const OperatorId& by, const v1::IsolateRequest& request) {
  return [by, request](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    using Scope = engine::IsolationOrdered::Scope;
    SLUICE_RETURN_IF_ERROR(CheckText(request.reason(), kMaxText, "the reason"));
    SLUICE_RETURN_IF_ERROR(
        CheckText(request.confirmation(), kMaxName, "the confirmation"));
    engine::IsolationOrdered order;
    order.by = by;
    order.reason = request.reason();
    order.confirmation = request.confirmation();
    order.sensor_anew = request.sensor_anew();
    if (order.sensor_anew) order.roles = RolesOf(glimpse, by);
    switch (request.scope_case()) {
      case v1::IsolateRequest::kAll:
        order.scope = Scope::kAll;
        return order;
      case v1::IsolateRequest::kRun:
        order.scope = Scope::kRun;
        return order;
      case v1::IsolateRequest::kSystem:
        order.scope = Scope::kSystem;
        order.system = SystemId(request.system());
        return order;
      case v1::IsolateRequest::kHost:
        order.scope = Scope::kHost;
        order.host = HostId(request.host());
        return order;
      case v1::IsolateRequest::SCOPE_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError(
        "what to isolate is not said; name a system, a host, the run or all");
  };
}

Maker MakeRetry(const OperatorId& by, const v1::RetryRequest& request) {
  return [by, request](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "retry"));
    if (request.steps_size() > kMaxSteps) {
      return absl::InvalidArgumentError("more steps than any plan has");
    }
    engine::RetryAsked retry;
    retry.by = by;
    for (const std::string& step : request.steps()) {
      retry.steps.emplace_back(step);
    }
    return retry;
  };
}

Maker MakeWaiver(const OperatorId& by, const v1::SkipRequest& request) {
  return [by, request](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_RETURN_IF_ERROR(CheckText(request.reason(), kMaxText, "the reason"));
    SLUICE_RETURN_IF_ERROR(CheckText(request.step(), kMaxName, "the step"));
    SLUICE_RETURN_IF_ERROR(CheckText(request.check(), kMaxName, "the check"));
    SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "skip a check"));
    engine::WaiverGiven waiver{StepId(request.step()),
                               CheckId(request.check()),
                               by,
                               RolesOf(glimpse, by),
                               request.reason(),
                               absl::FromUnixMillis(request.until_ms()),
                               request.signature(),
                               nullptr};
    SLUICE_RETURN_IF_ERROR(glimpse.engine.Admit(waiver, glimpse.now));
    const engine::View view = glimpse.engine.MakeView(glimpse.now);
    const WaiverText text{.estate = view.estate,
                          .run = view.run.id,
                          .step = waiver.step,
                          .check = waiver.check,
                          .until = waiver.until,
                          .reason = waiver.reason};
    waiver.text = std::make_shared<const std::string>(text.Body());
    SLUICE_RETURN_IF_ERROR(CheckSigned(glimpse, by, signed_as::kWaiver,
                                       *waiver.text, waiver.signature));
    return waiver;
  };
}

Maker MakePause(const OperatorId& by) {
  return
      [by](const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
        SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "pause a run"));
        return engine::RunPaused{by};
      };
}

Maker MakeResume(const OperatorId& by) {
  return
      [by](const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
        SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "resume a run"));
        return engine::RunResumed{by};
      };
}

Maker MakeEnd(const OperatorId& by, const v1::EndRequest& request) {
  return [by, request](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_RETURN_IF_ERROR(CheckText(request.reason(), kMaxText, "the reason"));
    SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "end a run"));
    return engine::RunEnded{by, request.reason()};
  };
}

Maker MakeTrustChange(const OperatorId& by, const v1::TrustRequest& request) {
  return [by, request](
             const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_RETURN_IF_ERROR(
        CheckApprover(glimpse, by, "change whom hosts believe"));
    if (request.signatures().empty() ||
        request.signatures_size() > kMaxTrustSignatures) {
      return absl::InvalidArgumentError(absl::StrCat(
          "1 to ", kMaxTrustSignatures, " signatures come with it, and ",
          request.signatures_size(), " came; sign it with `sluice sign`"));
    }
    engine::TrustChanged change{by, request.text(), {}};
    for (const std::string& one : request.signatures()) {
      SLUICE_RETURN_IF_ERROR(CheckText(one, kMaxSignature, "a signature"));
      change.signatures.push_back(one);
    }
    SLUICE_RETURN_IF_ERROR(glimpse.engine.Admit(change, glimpse.now));
    if (const auto delegation = Delegation::Parse(change.text);
        delegation.ok()) {
      SLUICE_RETURN_IF_ERROR(CheckSigned(glimpse, delegation->delegator,
                                         signed_as::kDelegation, change.text,
                                         change.signatures[0]));
      change.signatures.resize(1);
      return change;
    }
    for (const std::string& one : change.signatures) {
      SLUICE_ASSIGN_OR_RETURN(const SshPublicKey signer, SignerOf(one));
      SLUICE_RETURN_IF_ERROR(
          VerifySsh(signer, signed_as::kRotation, change.text, one));
    }
    return change;
  };
}

}  // namespace sluice::rpc
