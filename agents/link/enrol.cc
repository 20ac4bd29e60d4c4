#include "agents/link/enrol.h"

#include <grpcpp/grpcpp.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agents/core/state.h"
#include "agents/link/tls.h"
#include "common/status.h"
#include "common/x509.h"
#include "sluice/v1/identity.grpc.pb.h"

namespace sluice::agent {
namespace {

// What the orchestrator said itself, as against what became of the call.
bool IsAnAnswer(grpc::StatusCode code) {
  return code == grpc::StatusCode::PERMISSION_DENIED ||
         code == grpc::StatusCode::INVALID_ARGUMENT ||
         code == grpc::StatusCode::FAILED_PRECONDITION ||
         code == grpc::StatusCode::NOT_FOUND ||
         code == grpc::StatusCode::RESOURCE_EXHAUSTED;
}

}  // namespace

absl::StatusOr<Enrolment> Enrol(const EnrolToken& token,
                                const std::string& signing_request,
                                const std::string& evidence_key,
                                absl::Duration patience) {
  v1::EnrolRequest request;
  request.set_host(token.host.str());
  request.set_secret(token.secret);
  request.set_signing_request(signing_request);
  request.set_evidence_key(evidence_key);
  const auto credentials = TokenCredentials(token.authority, token.estate);
  std::vector<std::string> failures;
  for (const std::string& address : token.orchestrators) {
    const auto stub = v1::Enrolment::NewStub(grpc::CreateCustomChannel(
        address, credentials, LinkArguments(patience)));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
    v1::Enrolled reply;
    const grpc::Status status = stub->Enrol(&context, request, &reply);
    if (status.ok()) {
      Enrolment enrolment{reply.certificate(), reply.authority(),
                          absl::FromUnixMillis(reply.good_until_ms())};
      SLUICE_ASSIGN_OR_RETURN(const Certificate authority,
                              ReadCertificate(enrolment.authority));
      if (authority.digest != token.authority) {
        return absl::PermissionDeniedError(
            "the orchestrator gave another authority than the token names; "
            "tell whoever runs it");
      }
      return enrolment;
    }
    const std::string why = OneLine(status.error_message(), 400);
    if (IsAnAnswer(status.error_code())) {
      return absl::PermissionDeniedError(why);
    }
    failures.push_back(absl::StrCat(address, ": ", why));
  }
  return absl::UnavailableError(absl::StrCat(
      "no orchestrator of the token answers as it should (",
      absl::StrJoin(failures, "; "),
      "). The token is still good. In quarantine this host reaches the "
      "orchestrator only by the management flow in its agent.yaml."));
}

absl::StatusOr<std::string> Renew(const std::shared_ptr<grpc::Channel>& channel,
                                  absl::Duration patience) {
  const auto stub = v1::Enrolment::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
  v1::Enrolled reply;
  const grpc::Status status = stub->Renew(&context, v1::RenewRequest(), &reply);
  return RenewedCertificate(status, reply);
}

absl::StatusOr<std::string> RenewedCertificate(const grpc::Status& status,
                                               const v1::Enrolled& reply) {
  if (status.ok()) return reply.certificate();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      OneLine(status.error_message(), 400));
}

}  // namespace sluice::agent
