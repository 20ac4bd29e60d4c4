#include "orchestrator/rpc/operator_service.h"

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/rpc/grpc_status.h"
#include "orchestrator/rpc/plan_requests.h"
#include "orchestrator/rpc/status_messages.h"
#include "orchestrator/rpc/tls.h"

namespace sluice::rpc {

absl::StatusOr<OperatorId> OperatorService::Who(Context* context) const {
  // The table was asked already for the call itself; here it says who.
  absl::StatusOr<Caller> caller = gatekeeper_->Admit(
      "/sluice.v1.Operator/GetStatus", PresentedIn(*context));
  if (!caller.ok()) return caller.status();
  return caller->who;
}

// Answers on the loop's thread, from its state between two turns.
grpc::ServerUnaryReactor* OperatorService::LookAt(
    Context* context,
    std::function<absl::Status(const runtime::Glimpse&)> fill) {
  Unary* reactor = context->DefaultReactor();
  const absl::StatusOr<OperatorId> by = Who(context);
  absl::Status status = by.status();
  if (status.ok()) {
    status = inbox_->LookAt(
        [reactor, fill = std::move(fill)](const runtime::Glimpse& glimpse) {
          reactor->Finish(ToGrpc(fill(glimpse)));
        },
        *by);
  }
  if (!status.ok()) reactor->Finish(ToGrpc(status));
  return reactor;
}

// Answers when the event is on disk (S6).
grpc::ServerUnaryReactor* OperatorService::Ask(
    Context* context, std::function<Maker(const OperatorId&)> maker,
    v1::Accepted* reply) {
  Unary* reactor = context->DefaultReactor();
  const absl::StatusOr<OperatorId> by = Who(context);
  if (!by.ok()) {
    reactor->Finish(ToGrpc(by.status()));
  } else {
    AskFor(*by, context->peer(), maker(*by), reply, reactor);
  }
  return reactor;
}

void OperatorService::AskFor(const OperatorId& by, const std::string& peer,
                             Maker make, v1::Accepted* reply, Unary* reactor) {
  runtime::FromPerson request;
  request.who = by;
  request.make = std::move(make);
  request.reply = [this, by, peer, reactor,
                   reply](const runtime::Answer& answer) {
    gatekeeper_->NoteAnswer(by, peer, answer.status);
    reply->set_sequence(answer.sequence);
    reply->set_message(answer.message.empty()
                           ? absl::StrCat("Recorded as ", answer.sequence, ".")
                           : answer.message);
    reactor->Finish(ToGrpc(answer.status));
  };
  const absl::Status status = inbox_->Ask(std::move(request));
  if (!status.ok()) reactor->Finish(ToGrpc(status));
}

// ── looking ─────────────────────────────────────────────────────────────────

grpc::ServerUnaryReactor* OperatorService::GetStatus(
    Context* context, const v1::GetStatusRequest*, v1::Status* reply) {
  return LookAt(context, [this, reply](const runtime::Glimpse& glimpse) {
    *reply = *hub_->StatusOf(glimpse);
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::Status>* OperatorService::WatchStatus(
    Context* context, const v1::GetStatusRequest*) {
  const auto writer = OperatorHub::StatusWriter::Make();
  const absl::Status who = Who(context).status();
  if (who.ok()) {
    // A session that ends, or whose key is revoked, sees nothing more.
    hub_->Watch(writer,
                [gatekeeper = gatekeeper_, presented = PresentedIn(*context)] {
                  return gatekeeper->WhoCalls(presented).status();
                });
    inbox_->Wake();
  } else {
    writer->End(ToGrpc(who));
  }
  return writer.get();
}

grpc::ServerUnaryReactor* OperatorService::GetGate(
    Context* context, const v1::GetGateRequest* request,
    v1::GateDetail* reply) {
  return LookAt(context, [request, reply](const runtime::Glimpse& glimpse) {
    const absl::StatusOr<engine::GateDetail> detail =
        glimpse.engine.MakeGateDetail(StageId(request->gate()), glimpse.now);
    if (detail.ok()) FillGateDetail(glimpse, *detail, reply);
    return detail.status();
  });
}

grpc::ServerUnaryReactor* OperatorService::GetHistory(
    Context* context, const v1::GetHistoryRequest* request,
    v1::History* reply) {
  return LookAt(context, [request, reply](const runtime::Glimpse& glimpse) {
    FillHistory(glimpse, request->from_sequence(), request->limit(), reply);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OperatorService::GetDurations(
    Context* context, const v1::GetDurationsRequest*, v1::Durations* reply) {
  return LookAt(context, [reply](const runtime::Glimpse& glimpse) {
    FillDurations(glimpse, reply);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OperatorService::GetObservations(
    Context* context, const v1::GetObservationsRequest* request,
    v1::EstateObservations* reply) {
  Unary* reactor = context->DefaultReactor();
  const absl::Status who = Who(context).status();
  if (who.ok()) observations_->Fill(request->after(), reply);
  reactor->Finish(ToGrpc(who));
  return reactor;
}

grpc::ServerUnaryReactor* OperatorService::GetManifest(
    Context* context, const v1::GetManifestRequest* request,
    v1::Manifest* reply) {
  return LookAt(context, [request, reply](const runtime::Glimpse& glimpse) {
    return FillManifest(glimpse, request->previous(), reply);
  });
}

// The plan is made on the caller's thread: a large one would hold the loop up.
grpc::ServerUnaryReactor* OperatorService::PreviewPlan(
    Context* context, const v1::PlanRequest* request, v1::PlanPreview* reply) {
  const absl::StatusOr<OperatorId> by = Who(context);
  absl::StatusOr<ManifestPlan> plan =
      by.ok() ? PlanOf(*request, load_plan_)
              : absl::StatusOr<ManifestPlan>(by.status());
  if (!plan.ok()) {
    Unary* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(plan.status()));
    return reactor;
  }
  return LookAt(context, [by = *by, plan = *std::move(plan),
                          reply](const runtime::Glimpse& glimpse) {
    return FillPreview(glimpse, by, plan, reply);
  });
}

// ── acting ──────────────────────────────────────────────────────────────────

grpc::ServerWriteReactor<v1::IsolateProgress>* OperatorService::Isolate(
    Context* context, const v1::IsolateRequest* request) {
  const auto writer = OperatorHub::IsolateWriter::Make();
  const absl::StatusOr<OperatorId> by = Who(context);
  absl::Status status = by.status();
  if (status.ok()) {
    runtime::FromPerson isolation;
    isolation.who = *by;
    isolation.make = MakeIsolation(*by, *request);
    isolation.reply = [this, writer](const runtime::Answer& answer) {
      if (!answer.status.ok()) return writer->End(ToGrpc(answer.status));
      hub_->Follow(writer, answer.sequence, answer.recorded, answer.message);
    };
    status = inbox_->Isolate(std::move(isolation));
  }
  if (!status.ok()) writer->End(ToGrpc(status));
  return writer.get();
}

grpc::ServerUnaryReactor* OperatorService::Start(
    Context* context, const v1::StartRequest* request, v1::Accepted* reply) {
  return Ask(
      context,
      [request](const OperatorId& by) { return MakeStart(by, *request); },
      reply);
}

// Whoever may not change the plan has no manifest read; whoever may has it read
// on gRPC's own thread, not on the loop's.
grpc::ServerUnaryReactor* OperatorService::AdoptPlan(
    Context* context, const v1::PlanRequest* request, v1::Accepted* reply) {
  Unary* reactor = context->DefaultReactor();
  const absl::StatusOr<OperatorId> by = Who(context);
  absl::Status status = by.status();
  if (status.ok()) {
    status = inbox_->LookAt(
        [this, by = *by, peer = context->peer(), request, reply,
         reactor](const runtime::Glimpse& glimpse) {
          const absl::Status may = CheckApprover(glimpse, by, kChangeThePlan);
          gatekeeper_->NoteAnswer(by, peer, may);
          if (!may.ok()) return reactor->Finish(ToGrpc(may));
          auto alarm = std::make_shared<grpc::Alarm>();
          alarm->Set(
              gpr_now(GPR_CLOCK_MONOTONIC),
              [this, by, peer, request, reply, reactor, alarm](bool) mutable {
                const auto done = std::move(alarm);
                ReadAndAdopt(by, peer, *request, reply, reactor);
              });
        },
        *by);
  }
  if (!status.ok()) reactor->Finish(ToGrpc(status));
  return reactor;
}

void OperatorService::ReadAndAdopt(const OperatorId& by,
                                   const std::string& peer,
                                   const v1::PlanRequest& request,
                                   v1::Accepted* reply, Unary* reactor) {
  const absl::StatusOr<ManifestPlan> plan = PlanOf(request, load_plan_);
  if (!plan.ok()) return reactor->Finish(ToGrpc(plan.status()));
  AskFor(by, peer, MakeAdoption(by, *plan), reply, reactor);
}

grpc::ServerUnaryReactor* OperatorService::Decide(
    Context* context, const v1::DecideRequest* request, v1::Accepted* reply) {
  return Ask(
      context,
      [request](const OperatorId& by) { return MakeDecision(by, *request); },
      reply);
}

grpc::ServerUnaryReactor* OperatorService::SignTask(
    Context* context, const v1::SignTaskRequest* request, v1::Accepted* reply) {
  return Ask(
      context,
      [request](const OperatorId& by) { return MakeSignature(by, *request); },
      reply);
}

grpc::ServerUnaryReactor* OperatorService::ReportPoint(
    Context* context, const v1::ReportPointRequest* request,
    v1::Accepted* reply) {
  return Ask(
      context,
      [request](const OperatorId& by) { return MakePointReport(by, *request); },
      reply);
}

grpc::ServerUnaryReactor* OperatorService::Retry(
    Context* context, const v1::RetryRequest* request, v1::Accepted* reply) {
  return Ask(
      context,
      [request](const OperatorId& by) { return MakeRetry(by, *request); },
      reply);
}

grpc::ServerUnaryReactor* OperatorService::Skip(Context* context,
                                                const v1::SkipRequest* request,
                                                v1::Accepted* reply) {
  return Ask(
      context,
      [request](const OperatorId& by) { return MakeWaiver(by, *request); },
      reply);
}

grpc::ServerUnaryReactor* OperatorService::Pause(Context* context,
                                                 const v1::PauseRequest*,
                                                 v1::Accepted* reply) {
  return Ask(context, MakePause, reply);
}

grpc::ServerUnaryReactor* OperatorService::Resume(Context* context,
                                                  const v1::ResumeRequest*,
                                                  v1::Accepted* reply) {
  return Ask(context, MakeResume, reply);
}

grpc::ServerUnaryReactor* OperatorService::End(Context* context,
                                               const v1::EndRequest* request,
                                               v1::Accepted* reply) {
  return Ask(
      context,
      [request](const OperatorId& by) { return MakeEnd(by, *request); }, reply);
}

grpc::ServerUnaryReactor* OperatorService::ChangeTrust(
    Context* context, const v1::TrustRequest* request, v1::Accepted* reply) {
  return Ask(
      context,
      [request](const OperatorId& by) { return MakeTrustChange(by, *request); },
      reply);
}

}  // namespace sluice::rpc
