#include "orchestrator/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status.h"
#include "common/x509.h"
#include "orchestrator/rpc/agent_registry.h"
#include "orchestrator/rpc/agent_service.h"
#include "orchestrator/rpc/gatekeeper.h"
#include "orchestrator/rpc/login_service.h"
#include "orchestrator/rpc/operator_hub.h"
#include "orchestrator/rpc/operator_service.h"
#include "orchestrator/rpc/tls.h"

namespace sluice::rpc {
namespace {

constexpr int kMaxMessage = 4 << 20;
// A dead link is noticed within 25 seconds. No sooner: an answer that came in
// time waits to be read behind the handshakes of all who come back in a storm,
// and a link cut for that begins the storm anew.
constexpr int kPingEveryMs = 5000;
constexpr int kPingTimeoutMs = 20'000;
// Agents ping us as often; gRPC otherwise takes that for an attack.
constexpr int kPeersMayPingEveryMs = 500;

// Whoever connects and says nothing is hung up on. No sooner than agents give
// up by themselves: while thousands come back, handshakes wait for a processor,
// and each one that is cut was work for nothing and comes again.
constexpr int kHandshakeMs = 60'000;
// Of one connection: an agent needs one, an operator a few.
constexpr int kMaxStreams = 64;
constexpr int kMaxMetadata = 16 << 10;

// The authority's certificate follows the server's own, so that a host with
// nothing but a token can tell it by its digest.
std::string ChainOf(const ServerOptions& options) {
  return SplitPem(options.certificate).size() > 1
             ? options.certificate
             : absl::StrCat(options.certificate, "\n", options.authority);
}

absl::Status CheckKey(const ServerOptions& options) {
  const auto certificate = ReadCertificate(options.certificate);
  const auto key = KeyDigest(options.key);
  if (certificate.ok() && key.ok() && certificate->key == *key) {
    return VerifyCertificate(options.certificate, "", options.authority,
                             CertificateUse::kServer)
        .status();
  }
  return absl::InvalidArgumentError(
      "the certificate, its key and the authority do not fit together; make "
      "them again with `sluice init`");
}

}  // namespace

const char* Version() { return SLUICE_VERSION; }

struct Server::Impl {
  std::unique_ptr<Gatekeeper> gatekeeper;
  std::unique_ptr<Attempts> attempts;
  std::unique_ptr<EnrolmentService> enrolment;
  std::unique_ptr<IdentityService> identities;
  std::unique_ptr<LoginService> login;
  AgentRegistry* registry = nullptr;
  OperatorHub* hub = nullptr;
  std::unique_ptr<AgentService> agents;
  std::unique_ptr<OperatorService> operators;
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
};

Server::Server() : impl_(std::make_unique<Impl>()) {}

Server::~Server() {
  if (impl_->server == nullptr) return;
  impl_->acceptor->Stop();
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
  SLUICE_RETURN_IF_ERROR(CheckKey(options));
  SLUICE_ASSIGN_OR_RETURN(
      impl.gatekeeper,
      Gatekeeper::Make({.estate = options.estate,
                        .authority_pem = options.authority,
                        .server_certificate_pem = options.certificate,
                        .issuer = options.issuer,
                        .certificate_days = options.certificate_days,
                        .sessions = options.sessions,
                        .now = options.now,
                        .refusals = &inbox->refusals()},
                       options.identities));
  impl.attempts = std::make_unique<Attempts>(options.attempts);
  const IdentityParts parts{impl.gatekeeper.get(), registry, inbox,
                            impl.attempts.get(), options.on_identities};
  impl.agents = std::make_unique<AgentService>(parts);
  impl.operators = std::make_unique<OperatorService>(
      impl.gatekeeper.get(), hub, inbox, &registry->observations(),
      options.load_plan);
  impl.enrolment = std::make_unique<EnrolmentService>(parts);
  impl.identities = std::make_unique<IdentityService>(parts);
  impl.login = std::make_unique<LoginService>(parts);

  // So that standard tools work; who may use them stands in access.cc.
  grpc::EnableDefaultHealthCheckService(true);
  static const bool reflection = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)reflection;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessage);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Or every heartbeat is followed by a ping that measures the line, and wakes
  // an idle agent twice.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      kPeersMayPingEveryMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadata);
  builder.RegisterService(impl.agents.get());
  builder.RegisterService(impl.operators.get());
  builder.RegisterService(impl.enrolment.get());
  builder.RegisterService(impl.identities.get());
  builder.RegisterService(impl.login.get());
  const auto credentials = MakeServerCredentials(ChainOf(options), options.key,
                                                 impl.gatekeeper.get());
  SLUICE_ASSIGN_OR_RETURN(impl.acceptor,
                          Acceptor::Listen(options.listen, options.acceptor));
  impl.acceptor->AddTo(&builder, credentials);
  impl.server = builder.BuildAndStart();
  server->ports_ = impl.acceptor->ports();
  if (impl.server != nullptr) {
    impl.acceptor->Start();
    return server;
  }
  return absl::UnavailableError(absl::StrCat(
      "cannot serve on ", absl::StrJoin(options.listen, ", "),
      ": the certificate, its key and the authority do not fit together; make "
      "them again with `sluice init`"));
}

}  // namespace sluice::rpc
