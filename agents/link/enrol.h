// Asking for a certificate: the first by token, the next by the one there is.

#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/enrol_token.h"

namespace grpc {
class Channel;
class Status;
}  // namespace grpc

namespace sluice::v1 {
class Enrolled;
}

namespace sluice::agent {

struct Enrolment {
  std::string certificate;  // PEM
  std::string authority;    // PEM, of the digest in the token
  absl::Time good_until;    // by the orchestrator's clock
};

// Asks the token's orchestrators one after the other, each for `patience`. An
// answer that refuses ends it: a second one would say the same.
absl::StatusOr<Enrolment> Enrol(const EnrolToken& token,
                                const std::string& signing_request,
                                const std::string& evidence_key,
                                absl::Duration patience);

// A new certificate for the key that the channel's credentials have.
absl::StatusOr<std::string> Renew(const std::shared_ptr<grpc::Channel>& channel,
                                  absl::Duration patience);

// What the answer to such a question says.
absl::StatusOr<std::string> RenewedCertificate(const grpc::Status& status,
                                               const v1::Enrolled& reply);

}  // namespace sluice::agent
