// Operators' logging in and out.
//
// Nothing is kept for somebody who only asks: a challenge carries a mark by
// which it is known again. A login works while nothing can be recorded, and
// does not wait for a disk: isolating has to be possible then (S5). Its record
// is written as soon as it can be.

#pragma once

#include <map>
#include <mutex>
#include <string>

#include "absl/strings/string_view.h"
#include "common/login_text.h"
#include "orchestrator/rpc/identity_service.h"
#include "sluice/v1/identity.grpc.pb.h"

namespace sluice::rpc {

class LoginService : public v1::Login::CallbackService {
 public:
  explicit LoginService(IdentityParts parts);

  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* Challenge(Context* context, const v1::ChallengeRequest* request,
                   v1::LoginChallenge* reply) override;
  Unary* Login(Context* context, const v1::LoginRequest* request,
               v1::Session* reply) override;
  Unary* Logout(Context* context, const v1::LogoutRequest* request,
                v1::LoggedOut* reply) override;

 private:
  absl::Status BeginLogin(const std::string& peer,
                          const v1::LoginRequest& request, v1::Session* reply,
                          Unary* reactor);
  // Of a login's text: ours, for now, and not used before.
  absl::Status CheckText(const LoginText& text, absl::Time now);
  absl::Status UseNonce(const LoginText& text, absl::Time now);
  // For the log and the journal.
  void Refused(const std::string& peer, absl::string_view why) const;
  void RecordLogin(engine::IdentityChanged change);

  const IdentityParts parts_;
  const std::string secret_;

  std::mutex mutex_;
  std::map<std::string, absl::Time> used_;  // nonces; guarded by mutex_
};

}  // namespace sluice::rpc
