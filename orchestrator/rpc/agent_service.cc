#include "orchestrator/rpc/agent_service.h"

#include <spdlog/spdlog.h>

#include <memory>
#include <optional>
#include <utility>

#include "orchestrator/rpc/agent_stream.h"
#include "orchestrator/rpc/grpc_status.h"
#include "orchestrator/rpc/tls.h"

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
  Gatekeeper& gatekeeper = *parts_.gatekeeper;
  const absl::StatusOr<Caller> caller =
      gatekeeper.Admit("/sluice.v1.AgentLink/Attach", PresentedIn(*context));
  if (!caller.ok()) {
    spdlog::warn("{}: an agent's call is refused: {}", context->peer(),
                 std::string(caller.status().message()));
    return new Refusal(caller.status());
  }
  std::optional<engine::IdentityChanged> pinned = gatekeeper.Pin(*caller);
  const auto stream = std::make_shared<AgentStream>(
      context, parts_.registry, parts_.inbox, caller->host,
      gatekeeper.ShouldRenew(*caller), std::move(pinned));
  stream->Begin();
  // Shut out while it was being let in: then nobody ended this stream.
  const absl::Status still =
      gatekeeper.MayCall("/sluice.v1.AgentLink/Attach", *caller);
  if (!still.ok() || gatekeeper.IsRevoked(caller->certificate.key)) {
    stream->Abort(grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                               "this host's key does not count any more"));
  }
  return stream.get();
}

}  // namespace sluice::rpc
