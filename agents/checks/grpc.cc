// grpc: the service's own word on its health (grpc.health.v1), without TLS.

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/checks/check.h"
#include "agents/checks/connect.h"

namespace sluice::agent {
namespace {

// On the wire HealthCheckRequest is one text and HealthCheckResponse one
// number, each in field 1: Protobuf's own wrappers are the same bytes.
using Request = google::protobuf::StringValue;
using Response = google::protobuf::Int32Value;
using Stub = grpc::TemplatedGenericStub<Request, Response>;

constexpr char kMethod[] = "/grpc.health.v1.Health/Check";
constexpr int kServing = 1;
constexpr std::chrono::milliseconds kLookForStop(100);

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& endpoint,
                                         Family family) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(
      absl::StrCat(family == Family::kIpv4 ? "ipv4:" : "ipv6:", endpoint),
      grpc::InsecureChannelCredentials(), arguments);
}

grpc::Status Ask(const std::shared_ptr<grpc::Channel>& channel,
                 const Request& request, absl::Duration timeout,
                 const Stop& stop, Response& response) {
  Stub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(timeout));
  grpc::CompletionQueue queue;
  grpc::Status status;
  const auto call = stub.PrepareUnaryCall(&context, kMethod, request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  while (queue.AsyncNext(&tag, &ok,
                         std::chrono::system_clock::now() + kLookForStop) ==
         grpc::CompletionQueue::TIMEOUT) {
    if (stop.IsSet()) context.TryCancel();
  }
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return status;
}

}  // namespace

CheckResult CheckGrpc(const CheckSpec& spec, const CheckContext& context,
                      const Stop& stop) {
  const uint16_t port = PortArg(spec);
  if (port == 0) return Inconclusive("grpc: 'port' is not a port number");
  Request request;
  request.set_value(Arg(spec, "service"));
  const absl::Time until = absl::Now() + spec.timeout;
  std::string why = "no address to ask";
  for (const Prefix& place : Places(spec, context)) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    const std::string where = Endpoint(place, port);
    Response response;
    const grpc::Status status =
        Ask(ChannelTo(where, place.family()), request, left, stop, response);
    if (stop.IsSet()) return Inconclusive("the agent is ending");
    if (status.ok()) {
      if (response.value() == kServing) {
        return Pass(absl::StrCat(where, " says SERVING"));
      }
      return Fail(absl::StrCat(where, " says that it is not serving"));
    }
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      return Inconclusive(absl::StrCat(where, " has no gRPC health service"));
    }
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
      return Fail(
          absl::StrCat(where, " knows no service '", request.value(), "'"));
    }
    why = absl::StrCat(where, ": ", status.error_message());
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE) break;
  }
  return Fail(why);
}

}  // namespace sluice::agent
