// The service that operators ask.

#pragma once

#include <string>
#include <utility>

#include "orchestrator/journal/codec.h"
#include "orchestrator/rpc/gatekeeper.h"
#include "orchestrator/rpc/observations.h"
#include "orchestrator/rpc/operator_hub.h"
#include "orchestrator/rpc/requests.h"
#include "orchestrator/runtime/inbox.h"
#include "sluice/v1/operator.grpc.pb.h"

namespace sluice::rpc {

class OperatorService : public v1::Operator::CallbackService {
 public:
  OperatorService(Gatekeeper* gatekeeper, OperatorHub* hub,
                  runtime::Inbox* inbox, const ObservationStore* observations,
                  journal::PlanLoader load_plan)
      : gatekeeper_(gatekeeper),
        hub_(hub),
        inbox_(inbox),
        observations_(observations),
        load_plan_(std::move(load_plan)) {}

  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* GetStatus(Context* context, const v1::GetStatusRequest* request,
                   v1::Status* reply) override;
  grpc::ServerWriteReactor<v1::Status>* WatchStatus(
      Context* context, const v1::GetStatusRequest* request) override;
  Unary* GetGate(Context* context, const v1::GetGateRequest* request,
                 v1::GateDetail* reply) override;
  Unary* GetHistory(Context* context, const v1::GetHistoryRequest* request,
                    v1::History* reply) override;
  Unary* GetDurations(Context* context, const v1::GetDurationsRequest* request,
                      v1::Durations* reply) override;
  Unary* GetObservations(Context* context,
                         const v1::GetObservationsRequest* request,
                         v1::EstateObservations* reply) override;
  Unary* GetManifest(Context* context, const v1::GetManifestRequest* request,
                     v1::Manifest* reply) override;
  Unary* PreviewPlan(Context* context, const v1::PlanRequest* request,
                     v1::PlanPreview* reply) override;
  Unary* AdoptPlan(Context* context, const v1::PlanRequest* request,
                   v1::Accepted* reply) override;
  grpc::ServerWriteReactor<v1::IsolateProgress>* Isolate(
      Context* context, const v1::IsolateRequest* request) override;
  Unary* Start(Context* context, const v1::StartRequest* request,
               v1::Accepted* reply) override;
  Unary* Decide(Context* context, const v1::DecideRequest* request,
                v1::Accepted* reply) override;
  Unary* ReportPoint(Context* context, const v1::ReportPointRequest* request,
                     v1::Accepted* reply) override;
  Unary* SignTask(Context* context, const v1::SignTaskRequest* request,
                  v1::Accepted* reply) override;
  Unary* Skip(Context* context, const v1::SkipRequest* request,
              v1::Accepted* reply) override;
  Unary* Retry(Context* context, const v1::RetryRequest* request,
               v1::Accepted* reply) override;
  Unary* Pause(Context* context, const v1::PauseRequest* request,
               v1::Accepted* reply) override;
  Unary* Resume(Context* context, const v1::ResumeRequest* request,
                v1::Accepted* reply) override;
  Unary* End(Context* context, const v1::EndRequest* request,
             v1::Accepted* reply) override;
  Unary* ChangeTrust(Context* context, const v1::TrustRequest* request,
                     v1::Accepted* reply) override;

 private:
  absl::StatusOr<OperatorId> Who(Context* context) const;
  Unary* LookAt(Context* context,
                std::function<absl::Status(const runtime::Glimpse&)> fill);
  Unary* Ask(Context* context, std::function<Maker(const OperatorId&)> maker,
             v1::Accepted* reply);
  // The answer is the reactor's end.
  void AskFor(const OperatorId& by, const std::string& peer, Maker make,
              v1::Accepted* reply, Unary* reactor);
  void ReadAndAdopt(const OperatorId& by, const std::string& peer,
                    const v1::PlanRequest& request, v1::Accepted* reply,
                    Unary* reactor);

  Gatekeeper* const gatekeeper_;
  OperatorHub* const hub_;
  runtime::Inbox* const inbox_;
  const ObservationStore* const observations_;
  const journal::PlanLoader load_plan_;
};

}  // namespace sluice::rpc
