// The service that agents attach to.

#pragma once

#include "orchestrator/rpc/agent_registry.h"
#include "orchestrator/runtime/inbox.h"
#include "sluice/v1/agent.grpc.pb.h"

namespace sluice::rpc {

class AgentService : public v1::AgentLink::CallbackService {
 public:
  AgentService(AgentRegistry* registry, runtime::Inbox* inbox)
      : registry_(registry), inbox_(inbox) {}

  grpc::ServerBidiReactor<v1::AgentMessage, v1::OrchestratorMessage>* Attach(
      grpc::CallbackServerContext* context) override;

 private:
  AgentRegistry* const registry_;
  runtime::Inbox* const inbox_;
};

}  // namespace sluice::rpc
