// An orchestrator's Operator service with answers from a can, behind TLS made
// by our own `sluice init` code. Everybody is logged in.

#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "orchestrator/planner/plan.h"
#include "sluice/v1/operator.grpc.pb.h"

namespace sluice::cli {

// A directory that is gone with the test.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One host, one approver, one orchestrator; made by hand, so that these tests
// need no manifest.
Plan SmallPlan();

class FakeOperator final : public v1::Operator::Service {
 public:
  v1::Status status;
  v1::GateDetail gate;
  v1::History history;
  v1::Durations durations;
  v1::Manifest manifest;
  v1::Manifest previous_manifest;
  v1::PlanPreview preview;
  grpc::Status refusal;  // of every changing call, when not OK
  std::vector<v1::IsolateProgress> progress;
  // Isolate: refused like this unless the confirmation is this name.
  std::string protected_name;
  std::vector<v1::Status> watched;

  // The last request of each kind.
  v1::DecideRequest decided;
  v1::SignTaskRequest signed_task;
  v1::ReportPointRequest reported;
  v1::RetryRequest retried;
  v1::PlanRequest adopted;
  v1::SkipRequest skipped;
  v1::EndRequest ended;
  v1::TrustRequest trusted;
  v1::IsolateRequest isolated;

  // Serves on DIR/orchestrator/operator.sock with DIR's certificates.
  void Serve(const std::string& dir);
  void Stop();
  ~FakeOperator() override { Stop(); }

  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::Status* response) override;
  grpc::Status WatchStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                           grpc::ServerWriter<v1::Status>* writer) override;
  grpc::Status GetGate(grpc::ServerContext*, const v1::GetGateRequest* request,
                       v1::GateDetail* response) override;
  grpc::Status GetHistory(grpc::ServerContext*,
                          const v1::GetHistoryRequest* request,
                          v1::History* response) override;
  grpc::Status GetDurations(grpc::ServerContext*,
                            const v1::GetDurationsRequest*,
                            v1::Durations* response) override;
  grpc::Status GetManifest(grpc::ServerContext*, const v1::GetManifestRequest*,
                           v1::Manifest* response) override;
  grpc::Status PreviewPlan(grpc::ServerContext*, const v1::PlanRequest*,
                           v1::PlanPreview* response) override;
  grpc::Status AdoptPlan(grpc::ServerContext*, const v1::PlanRequest* request,
                         v1::Accepted* response) override;
  grpc::Status Isolate(grpc::ServerContext*, const v1::IsolateRequest* request,
                       grpc::ServerWriter<v1::IsolateProgress>* w) override;
  grpc::Status Start(grpc::ServerContext*, const v1::StartRequest*,
                     v1::Accepted* response) override;
  grpc::Status Decide(grpc::ServerContext*, const v1::DecideRequest* request,
                      v1::Accepted* response) override;
  grpc::Status SignTask(grpc::ServerContext*,
                        const v1::SignTaskRequest* request,
                        v1::Accepted* response) override;
  grpc::Status ReportPoint(grpc::ServerContext*,
                           const v1::ReportPointRequest* request,
                           v1::Accepted* response) override;
  grpc::Status Skip(grpc::ServerContext*, const v1::SkipRequest* request,
                    v1::Accepted* response) override;
  grpc::Status Retry(grpc::ServerContext*, const v1::RetryRequest* request,
                     v1::Accepted* response) override;
  grpc::Status End(grpc::ServerContext*, const v1::EndRequest* request,
                   v1::Accepted* response) override;
  grpc::Status ChangeTrust(grpc::ServerContext*,
                           const v1::TrustRequest* request,
                           v1::Accepted* response) override;

 private:
  grpc::Status Accept(const std::string& message, v1::Accepted* response);
  absl::Notification stopped_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace sluice::cli
