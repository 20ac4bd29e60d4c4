#include "orchestrator/rpc/agent_service.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "orchestrator/rpc/agent_stream.h"
#include "orchestrator/rpc/grpc_status.h"
#include "orchestrator/rpc/tls.h"
#include "orchestrator/runtime/loop.h"

namespace sluice::rpc {
namespace {

class Refusal : public grpc::ServerBidiReactor<v1::AgentMessage,
                                               v1::OrchestratorMessage> {
 public:
  explicit Refusal(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

// As manifests write them.
bool IsHostName(absl::string_view text) {
  return !text.empty() && text.size() <= 63 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
         });
}

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
  const std::string about = ActsForIn(*context);
  if (!about.empty() && !IsHostName(about)) {
    return new Refusal(absl::InvalidArgumentError(
        "what this call is about is no host's name; install the agent of this "
        "version"));
  }
  const bool acts = !about.empty() && HostId(about) != caller->host;
  const auto stream = std::make_shared<AgentStream>(
      context, parts_.registry, parts_.inbox,
      acts ? HostId(about) : caller->host, caller->host,
      !acts && gatekeeper.ShouldRenew(*caller), gatekeeper.Pin(*caller));
  stream->Hold();
  if (!acts) {
    Begin(*caller, stream);
    return stream.get();
  }
  // It would end the stream that the point has: asked for first.
  const absl::Status asked =
      parts_.inbox->LookAt([this, caller = *caller, about = HostId(about),
                            stream](const runtime::Glimpse& glimpse) {
        const absl::Status may =
            runtime::MaySpeakFor(glimpse.engine, about, caller.host);
        if (may.ok()) return Begin(caller, stream);
        spdlog::warn("an agent's call is refused: {}",
                     std::string(may.message()));
        stream->Close(ToGrpc(may));
      });
  if (!asked.ok()) stream->Close(ToGrpc(asked));
  return stream.get();
}

void AgentService::Begin(const Caller& caller,
                         const std::shared_ptr<AgentStream>& stream) const {
  stream->Begin();
  // Shut out while it was being let in: then nobody ended this stream.
  const absl::Status still =
      parts_.gatekeeper->MayCall("/sluice.v1.AgentLink/Attach", caller);
  if (!still.ok() || parts_.gatekeeper->IsRevoked(caller.certificate.key)) {
    stream->Abort(grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                               "this host's key does not count any more"));
  }
}

}  // namespace sluice::rpc
