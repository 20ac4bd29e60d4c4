// Enrolment (asked by hosts, some of them unknown yet) and identities (asked
// by operators): every change is in the journal before it is answered, and
// ends what it has to end at once.

#pragma once

#include <functional>
#include <memory>

#include "orchestrator/rpc/agent_registry.h"
#include "orchestrator/rpc/attempts.h"
#include "orchestrator/rpc/gatekeeper.h"
#include "orchestrator/runtime/inbox.h"
#include "sluice/v1/identity.grpc.pb.h"

namespace sluice::rpc {

// Told on the loop's thread what hosts' identities are now.
using OnIdentities = std::function<void(const engine::Identities&)>;

// What the three services share.
struct IdentityParts {
  Gatekeeper* gatekeeper = nullptr;
  AgentRegistry* registry = nullptr;
  runtime::Inbox* inbox = nullptr;
  Attempts* attempts = nullptr;
  OnIdentities on_identities;  // may be empty
};

class EnrolmentService : public v1::Enrolment::CallbackService {
 public:
  explicit EnrolmentService(IdentityParts parts) : parts_(std::move(parts)) {}

  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* Enrol(Context* context, const v1::EnrolRequest* request,
               v1::Enrolled* reply) override;
  Unary* Renew(Context* context, const v1::RenewRequest* request,
               v1::Enrolled* reply) override;

 private:
  // `asked` lives as long as the call.
  absl::Status BeginEnrol(Context* context, const v1::EnrolRequest* asked,
                          v1::Enrolled* reply, Unary* reactor);
  // For the log and the journal.
  void Refused(const std::string& peer, const v1::EnrolRequest& request,
               const absl::Status& why) const;
  absl::Status BeginRenew(Context* context, v1::Enrolled* reply,
                          Unary* reactor);

  const IdentityParts parts_;
};

class IdentityService : public v1::Identities::CallbackService {
 public:
  explicit IdentityService(IdentityParts parts) : parts_(std::move(parts)) {}

  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* MakeToken(Context* context, const v1::MakeTokenRequest* request,
                   v1::Token* reply) override;
  Unary* Revoke(Context* context, const v1::RevokeRequest* request,
                v1::Revoked* reply) override;
  Unary* List(Context* context, const v1::ListRequest* request,
              v1::IdentityList* reply) override;

 private:
  const IdentityParts parts_;
};

}  // namespace sluice::rpc
