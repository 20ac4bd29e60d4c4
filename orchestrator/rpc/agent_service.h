// The service that agents attach to.

#pragma once

#include <memory>

#include "orchestrator/rpc/identity_service.h"
#include "orchestrator/runtime/inbox.h"
#include "sluice/v1/agent.grpc.pb.h"

namespace sluice::rpc {

class AgentStream;

class AgentService : public v1::AgentLink::CallbackService {
 public:
  explicit AgentService(IdentityParts parts) : parts_(std::move(parts)) {}

  grpc::ServerBidiReactor<v1::AgentMessage, v1::OrchestratorMessage>* Attach(
      grpc::CallbackServerContext* context) override;

 private:
  void Begin(const Caller& caller,
             const std::shared_ptr<AgentStream>& stream) const;

  const IdentityParts parts_;
};

}  // namespace sluice::rpc
