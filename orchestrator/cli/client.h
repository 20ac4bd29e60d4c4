// The orchestrator as an operator sees it: one call a method, TLS with a login
// (or an operator's certificate), and every failure a sentence with what to do
// next. gRPC stays in the .cc.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/cli/client_config.h"
#include "sluice/v1/identity.pb.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

// How long to look for an orchestrator that answers.
inline constexpr absl::Duration kDialPatience = absl::Seconds(3);

class Client {
 public:
  // The first of the config's addresses that answers: they are tried in order,
  // each a moment after the one before. Unavailable when none does within
  // `patience`; PermissionDenied when one does that our authority did not sign.
  static absl::StatusOr<std::unique_ptr<Client>> Dial(
      const ClientConfig& config, absl::Duration patience = kDialPatience);
  ~Client();

  // The address that answered.
  const std::string& address() const;

  absl::StatusOr<v1::Status> GetStatus();
  absl::StatusOr<v1::GateDetail> GetGate(const std::string& gate);
  absl::StatusOr<v1::History> GetHistory(const v1::GetHistoryRequest& request);
  absl::StatusOr<v1::Durations> GetDurations();
  // Of every host that said any, by name.
  absl::StatusOr<std::vector<v1::HostObservations>> GetObservations();
  // `previous`: of the plan before the one in force.
  absl::StatusOr<v1::Manifest> GetManifest(bool previous = false);
  absl::StatusOr<v1::PlanPreview> PreviewPlan(const v1::PlanRequest& request);

  absl::StatusOr<v1::Accepted> AdoptPlan(const v1::PlanRequest& request);
  absl::StatusOr<v1::Token> MakeToken(const v1::MakeTokenRequest& request);
  absl::StatusOr<v1::Revoked> Revoke(const v1::RevokeRequest& request);
  absl::StatusOr<v1::IdentityList> ListIdentities();
  // Logs in anew, whatever session there is; every other call logs in by
  // itself when it has to.
  absl::Status Login();
  absl::Status Logout();

  absl::StatusOr<v1::Accepted> Start(const v1::StartRequest& request);
  absl::StatusOr<v1::Accepted> Decide(const v1::DecideRequest& request);
  absl::StatusOr<v1::Accepted> SignTask(const v1::SignTaskRequest& request);
  absl::StatusOr<v1::Accepted> ReportPoint(
      const v1::ReportPointRequest& request);
  absl::StatusOr<v1::Accepted> Skip(const v1::SkipRequest& request);
  absl::StatusOr<v1::Accepted> Retry(const v1::RetryRequest& request);
  absl::StatusOr<v1::Accepted> Pause();
  absl::StatusOr<v1::Accepted> Resume();
  absl::StatusOr<v1::Accepted> End(const v1::EndRequest& request);
  absl::StatusOr<v1::Accepted> ChangeTrust(const v1::TrustRequest& request);

  // Streams: called for each message, until the stream ends (the status it
  // ended with), the callback gives false (OK) or Cancel() (Cancelled).
  absl::Status WatchStatus(
      const std::function<bool(const v1::Status&)>& on_status);
  absl::Status Isolate(
      const v1::IsolateRequest& request, absl::Duration patience,
      const std::function<bool(const v1::IsolateProgress&)>& on_progress);

  // From any thread: ends the stream that is being read, and those to come.
  void Cancel();

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::cli
