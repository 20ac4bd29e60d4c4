#include "orchestrator/rpc/agent_service.h"

#include <spdlog/spdlog.h>

#include <memory>

#include "orchestrator/rpc/agent_stream.h"
#include "orchestrator/rpc/grpc_status.h"
#include "orchestrator/rpc/identity.h"

namespace sluice::rpc {
namespace {

class Refusal : public grpc::ServerBidiReactor<v1::AgentMessage,
                                               v1::OrchestratorMessage> {
 public:
  explicit Refusal(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerBidiReactor<v1::AgentMessage, v1::OrchestratorMessage>*
AgentService::Attach(grpc::CallbackServerContext* context) {
  const absl::StatusOr<Identity> identity = Authenticate(
      *context, Identity::Kind::kAgent, registry_->options().estate);
  if (!identity.ok()) {
    spdlog::warn("{}: an agent's call is refused: {}", context->peer(),
                 std::string(identity.status().message()));
    return new Refusal(identity.status());
  }
  const auto stream = std::make_shared<AgentStream>(context, registry_, inbox_,
                                                    HostId(identity->name));
  stream->Begin();
  return stream.get();
}

}  // namespace sluice::rpc
