// The service that agents attach to.

#pragma once

#include "orchestrator/rpc/identity_service.h"
#include "orchestrator/runtime/inbox.h"
#include "sluice/v1/agent.grpc.pb.h"

namespace sluice::rpc {

class AgentService : public v1::AgentLink::CallbackService {
 public:
  explicit AgentService(IdentityParts parts) : parts_(std::move(parts)) {}

  grpc::ServerBidiReactor<v1::AgentMessage, v1::OrchestratorMessage>* Attach(
      grpc::CallbackServerContext* context) override;

 private:
  const IdentityParts parts_;
};

}  // namespace sluice::rpc
