#include "orchestrator/rpc/server.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <deque>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/rpc/agent_registry.h"
#include "orchestrator/rpc/agent_service.h"
#include "orchestrator/rpc/operator_hub.h"
#include "orchestrator/rpc/operator_service.h"

namespace sluice::rpc {
namespace {

constexpr int kMaxMessage = 4 << 20;
// A dead link is noticed within five seconds.
constexpr int kPingEveryMs = 3000;
constexpr int kPingTimeoutMs = 2000;
// Agents ping us as often; gRPC otherwise takes that for an attack.
constexpr int kPeersMayPingEveryMs = 500;

std::shared_ptr<grpc::ServerCredentials> Credentials(
    const ServerOptions& options) {
  grpc::SslServerCredentialsOptions tls(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = options.authority;
  tls.pem_key_cert_pairs.push_back({options.key, options.certificate});
  return grpc::SslServerCredentials(tls);
}

}  // namespace

const char* Version() { return SLUICE_VERSION; }

struct Server::Impl {
  AgentRegistry* registry = nullptr;
  OperatorHub* hub = nullptr;
  std::unique_ptr<AgentService> agents;
  std::unique_ptr<OperatorService> operators;
  std::unique_ptr<grpc::Server> server;
};

Server::Server() : impl_(std::make_unique<Impl>()) {}

Server::~Server() {
  if (impl_->server == nullptr) return;
  impl_->registry->CloseAll("the orchestrator stops; attach again");
  impl_->hub->CloseAll();
  // Calls that wait for a loop that no longer turns are cut.
  impl_->server->Shutdown(std::chrono::system_clock::now() +
                          std::chrono::milliseconds(200));
  impl_->server->Wait();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const ServerOptions& options, AgentRegistry* registry, OperatorHub* hub,
    runtime::Inbox* inbox) {
  std::unique_ptr<Server> server(new Server());
  Impl& impl = *server->impl_;
  impl.registry = registry;
  impl.hub = hub;
  impl.agents = std::make_unique<AgentService>(registry, inbox);
  impl.operators = std::make_unique<OperatorService>(options.estate, hub, inbox,
                                                     options.load_plan);

  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessage);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      kPeersMayPingEveryMs);
  // A second orchestrator on one address must fail, not share it.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(impl.agents.get());
  builder.RegisterService(impl.operators.get());
  const auto credentials = Credentials(options);
  // A deque: gRPC keeps the addresses of the numbers.
  std::deque<int> ports(options.listen.size(), 0);
  for (size_t i = 0; i < options.listen.size(); ++i) {
    builder.AddListeningPort(options.listen[i], credentials, &ports[i]);
  }
  impl.server = builder.BuildAndStart();
  server->ports_.assign(ports.begin(), ports.end());
  if (impl.server != nullptr) return server;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (ports[i] != 0) continue;
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", options.listen[i],
        ": another program has it, this machine has no such address, or the "
        "certificate and key do not fit; look with `ss -lx` and `ss -ltn`"));
  }
  return absl::UnavailableError(absl::StrCat(
      "cannot serve on ", absl::StrJoin(options.listen, ", "),
      ": the certificate, its key and the authority do not fit together; make "
      "them again with `sluice init`"));
}

}  // namespace sluice::rpc
