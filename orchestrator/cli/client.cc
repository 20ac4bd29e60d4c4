#include "orchestrator/cli/client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "common/tls13.h"
#include "orchestrator/cli/client_error.h"
#include "orchestrator/cli/login.h"
#include "sluice/v1/identity.grpc.pb.h"
#include "orchestrator/cli/head_seen.h"
#include "sluice/v1/operator.grpc.pb.h"

namespace sluice::cli {
namespace {

constexpr absl::Duration kCallPatience = absl::Seconds(10);
// How far behind the one before an address is tried.
constexpr absl::Duration kHeadStart = absl::Milliseconds(300);
// A channel's change is asked for in pieces: what was asked for has to come
// back before the queue can go, and must not keep a person waiting.
constexpr absl::Duration kPiece = absl::Milliseconds(50);
constexpr int kLargestMessage = 64 << 20;

std::shared_ptr<grpc::Channel> MakeChannel(const ClientConfig& config,
                                           const std::string& address) {
  AllowOnlyTls13();
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = config.authority_pem;
  grpc::ChannelArguments arguments;
  // Addresses are dialled; the certificate carries this one name.
  arguments.SetSslTargetNameOverride("orchestrator.sluice");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 3000);
  arguments.SetMaxReceiveMessageSize(kLargestMessage);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(tls),
                                   arguments);
}

std::chrono::system_clock::time_point Deadline(absl::Duration patience) {
  return absl::ToChronoTime(absl::Now() + patience);
}

// Why a channel in transient failure failed: a call on it says so at once.
std::string FailureOf(const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = v1::Operator::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(Deadline(absl::Milliseconds(200)));
  v1::Status status;
  const grpc::Status failed =
      stub->GetStatus(&context, v1::GetStatusRequest(), &status);
  return failed.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED
             ? ""
             : failed.error_message();
}

// Dials all addresses, each a head start after the one before (at once when
// that one failed), until one is ready.
class Dialler {
 public:
  Dialler(const ClientConfig& config, absl::Duration patience)
      : config_(config), end_(absl::Now() + patience) {}
  ~Dialler() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  // The index of the first that is ready, or -1.
  int Run() {
    StartNext();
    while (true) {
      const bool more = tries_.size() < config_.orchestrators.size();
      if (!more && failed_ == tries_.size()) return -1;
      const absl::Time wake =
          more ? std::min(end_, last_start_ + kHeadStart) : end_;
      void* tag = nullptr;
      bool ok = false;
      const auto got = queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(wake));
      if (got == grpc::CompletionQueue::GOT_EVENT) {
        const size_t index = reinterpret_cast<uintptr_t>(tag);
        if (Look(index)) return static_cast<int>(index);
      }
      if (absl::Now() >= end_) return -1;
      if (more && absl::Now() >= last_start_ + kHeadStart) StartNext();
    }
  }

  std::shared_ptr<grpc::Channel> channel(int index) const {
    return tries_[static_cast<size_t>(index)].channel;
  }

  std::vector<FailedAddress> Failures() const {
    std::vector<FailedAddress> failures;
    for (size_t i = 0; i < config_.orchestrators.size(); ++i) {
      std::string reason;
      if (i < tries_.size() && tries_[i].failed) {
        reason = FailureOf(tries_[i].channel);
      }
      failures.push_back({config_.orchestrators[i], std::move(reason)});
    }
    return failures;
  }

 private:
  struct Try {
    std::shared_ptr<grpc::Channel> channel;
    bool failed = false;
  };

  void StartNext() {
    const std::string& address = config_.orchestrators[tries_.size()];
    tries_.push_back({MakeChannel(config_, address)});
    last_start_ = absl::Now();
    Look(tries_.size() - 1);
  }

  // True when ready; else asks to be told of the next change. An address that
  // failed is left alone: the reason is what a person wants soon.
  bool Look(size_t index) {
    Try& one = tries_[index];
    const grpc_connectivity_state state = one.channel->GetState(true);
    if (state == GRPC_CHANNEL_READY) return true;
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) {
      one.failed = true;
      ++failed_;
      if (tries_.size() < config_.orchestrators.size()) StartNext();
      return false;
    }
    one.channel->NotifyOnStateChange(
        state, absl::ToChronoTime(std::min(end_, absl::Now() + kPiece)),
        &queue_, reinterpret_cast<void*>(index));
    return false;
  }

  const ClientConfig& config_;
  const absl::Time end_;
  grpc::CompletionQueue queue_;
  std::vector<Try> tries_;
  size_t failed_ = 0;
  absl::Time last_start_;
};

}  // namespace

struct Client::Impl {
  std::string address;
  ClientConfig config;
  std::shared_ptr<grpc::Channel> channel;
  std::string client_file;
  std::unique_ptr<v1::Operator::Stub> stub;
  std::unique_ptr<v1::Identities::Stub> identities;
  std::string session;
  absl::Mutex mutex;
  grpc::ClientContext* streaming ABSL_GUARDED_BY(mutex) = nullptr;
  bool cancelled ABSL_GUARDED_BY(mutex) = false;

  // Whether to ask once more: nobody was logged in, and now somebody is. What
  // was answered so was not done.
  absl::StatusOr<bool> LoggedInNow(const grpc::Status& status) {
    if (!NeedsLogin(status.error_code())) return false;
    auto token = LogIn(channel, config);
    if (!token.ok()) return token.status();
    session = *std::move(token);
    return true;
  }

  void Present(grpc::ClientContext* context) const {
    if (!session.empty()) context->AddMetadata(kSessionKey, session);
  }

  template <typename Response, typename Request, typename Stub>
  absl::StatusOr<Response> Call(
      Stub& service,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request, bool changes) {
    bool again = false;
    while (true) {
      grpc::ClientContext context;
      context.set_deadline(Deadline(kCallPatience));
      Present(&context);
      Response response;
      const grpc::Status status =
          (service.*method)(&context, request, &response);
      if (status.ok()) return response;
      if (!again) {
        auto logged_in = LoggedInNow(status);
        if (!logged_in.ok()) return logged_in.status();
        again = *logged_in;
        if (again) continue;
      }
      return CallFailed(address, status.error_code(), status.error_message(),
                        changes);
    }
  }

  template <typename Response, typename Request>
  absl::StatusOr<Response> Call(
      grpc::Status (v1::Operator::Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
      const Request& request, bool changes) {
    return Call(*stub, method, request, changes);
  }

  // A stream, begun once more after logging in when it ends with that before
  // its first message.
  template <typename Message>
  absl::Status Streamed(
      std::function<
          std::unique_ptr<grpc::ClientReader<Message>>(grpc::ClientContext*)>
          begin,
      absl::optional<absl::Duration> patience, bool changes,
      const std::function<bool(const Message&)>& take) {
    for (int tries = 0;; ++tries) {
      grpc::ClientContext context;
      if (patience.has_value()) context.set_deadline(Deadline(*patience));
      Present(&context);
      if (!Begin(&context)) return absl::CancelledError("interrupted");
      const auto reader = begin(&context);
      bool any = false;
      grpc::Status ended;
      const absl::Status status = Drain<Message>(
          &context, reader.get(), changes,
          [&](const Message& message) {
            any = true;
            return take(message);
          },
          &ended);
      if (status.ok() || any || tries > 0) return status;
      auto logged_in = LoggedInNow(ended);
      if (!logged_in.ok()) return logged_in.status();
      if (!*logged_in) return status;
    }
  }

  // False when nothing may be streamed any more.
  bool Begin(grpc::ClientContext* context) {
    absl::MutexLock lock(&mutex);
    if (cancelled) return false;
    streaming = context;
    return true;
  }

  template <typename Message>
  absl::Status Drain(grpc::ClientContext* context,
                     grpc::ClientReader<Message>* reader, bool changes,
                     const std::function<bool(const Message&)>& take,
                     grpc::Status* ended) {
    Message message;
    bool enough = false;
    while (!enough && reader->Read(&message)) enough = !take(message);
    if (enough) context->TryCancel();
    const grpc::Status status = reader->Finish();
    *ended = status;
    absl::MutexLock lock(&mutex);
    streaming = nullptr;
    if (enough || status.ok()) return absl::OkStatus();
    if (cancelled) return absl::CancelledError("interrupted");
    return CallFailed(address, status.error_code(), status.error_message(),
                      changes);
  }
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Dial(const ClientConfig& config,
                                                     absl::Duration patience) {
  Dialler dialler(config, patience);
  const int ready = dialler.Run();
  if (ready < 0) return NobodyAnswers(dialler.Failures());
  auto impl = std::make_unique<Impl>();
  impl->client_file = config.file;
  impl->address = config.orchestrators[static_cast<size_t>(ready)];
  impl->config = config;
  impl->channel = dialler.channel(ready);
  impl->stub = v1::Operator::NewStub(impl->channel);
  impl->identities = v1::Identities::NewStub(impl->channel);
  impl->session = StoredSession(config);
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

const std::string& Client::address() const { return impl_->address; }

using Stub = v1::Operator::Stub;

absl::StatusOr<v1::Status> Client::GetStatus() {
  auto status = impl_->Call(&Stub::GetStatus, v1::GetStatusRequest(), false);
  if (status.ok()) {
    const std::string warning = NoteHead(impl_->client_file, *status);
    if (!warning.empty()) status->add_warnings(warning);
  }
  return status;
}

absl::StatusOr<v1::GateDetail> Client::GetGate(const std::string& gate) {
  v1::GetGateRequest request;
  request.set_gate(gate);
  return impl_->Call(&Stub::GetGate, request, false);
}

absl::StatusOr<v1::History> Client::GetHistory(
    const v1::GetHistoryRequest& request) {
  return impl_->Call(&Stub::GetHistory, request, false);
}

absl::StatusOr<v1::Durations> Client::GetDurations() {
  return impl_->Call(&Stub::GetDurations, v1::GetDurationsRequest(), false);
}

absl::StatusOr<std::vector<v1::HostObservations>> Client::GetObservations() {
  std::vector<v1::HostObservations> hosts;
  v1::GetObservationsRequest request;
  while (true) {
    auto piece = impl_->Call(&Stub::GetObservations, request, false);
    if (!piece.ok()) return piece.status();
    for (v1::HostObservations& host : *piece->mutable_hosts()) {
      // An orchestrator that goes round in circles ends here.
      if (host.host() <= request.after()) return hosts;
      request.set_after(host.host());
      hosts.push_back(std::move(host));
    }
    if (!piece->more() || piece->hosts().empty()) return hosts;
  }
}

absl::StatusOr<v1::Manifest> Client::GetManifest(bool previous) {
  v1::GetManifestRequest request;
  request.set_previous(previous);
  return impl_->Call(&Stub::GetManifest, request, false);
}

absl::StatusOr<v1::PlanPreview> Client::PreviewPlan(
    const v1::PlanRequest& request) {
  return impl_->Call(&Stub::PreviewPlan, request, false);
}

absl::StatusOr<v1::Accepted> Client::AdoptPlan(const v1::PlanRequest& request) {
  return impl_->Call(&Stub::AdoptPlan, request, true);
}

using Identities = v1::Identities::Stub;

absl::StatusOr<v1::Token> Client::MakeToken(
    const v1::MakeTokenRequest& request) {
  return impl_->Call(*impl_->identities, &Identities::MakeToken, request, true);
}

absl::StatusOr<v1::Revoked> Client::Revoke(const v1::RevokeRequest& request) {
  return impl_->Call(*impl_->identities, &Identities::Revoke, request, true);
}

absl::StatusOr<v1::IdentityList> Client::ListIdentities() {
  return impl_->Call(*impl_->identities, &Identities::List, v1::ListRequest(),
                     false);
}

absl::Status Client::Login() {
  auto token = LogIn(impl_->channel, impl_->config);
  if (!token.ok()) return token.status();
  impl_->session = *std::move(token);
  return absl::OkStatus();
}

absl::Status Client::Logout() {
  if (impl_->session.empty()) return absl::OkStatus();
  grpc::ClientContext context;
  context.set_deadline(Deadline(kCallPatience));
  impl_->Present(&context);
  v1::LoggedOut reply;
  const grpc::Status status =
      v1::Login::NewStub(impl_->channel)
          ->Logout(&context, v1::LogoutRequest(), &reply);
  ForgetSession(impl_->config);
  impl_->session.clear();
  // One that had ended before is out as well.
  if (status.ok() || NeedsLogin(status.error_code())) return absl::OkStatus();
  return CallFailed(impl_->address, status.error_code(), status.error_message(),
                    true);
}

absl::StatusOr<v1::Accepted> Client::Start(const v1::StartRequest& request) {
  return impl_->Call(&Stub::Start, request, true);
}

absl::StatusOr<v1::Accepted> Client::Decide(const v1::DecideRequest& request) {
  return impl_->Call(&Stub::Decide, request, true);
}

absl::StatusOr<v1::Accepted> Client::SignTask(
    const v1::SignTaskRequest& request) {
  return impl_->Call(&Stub::SignTask, request, true);
}

absl::StatusOr<v1::Accepted> Client::ReportPoint(
    const v1::ReportPointRequest& request) {
  return impl_->Call(&Stub::ReportPoint, request, true);
}

absl::StatusOr<v1::Accepted> Client::Retry(const v1::RetryRequest& request) {
  return impl_->Call(&Stub::Retry, request, true);
}

absl::StatusOr<v1::Accepted> Client::Skip(const v1::SkipRequest& request) {
  return impl_->Call(&Stub::Skip, request, true);
}

absl::StatusOr<v1::Accepted> Client::Pause() {
  return impl_->Call(&Stub::Pause, v1::PauseRequest(), true);
}

absl::StatusOr<v1::Accepted> Client::Resume() {
  return impl_->Call(&Stub::Resume, v1::ResumeRequest(), true);
}

absl::StatusOr<v1::Accepted> Client::End(const v1::EndRequest& request) {
  return impl_->Call(&Stub::End, request, true);
}

absl::StatusOr<v1::Accepted> Client::ChangeTrust(
    const v1::TrustRequest& request) {
  return impl_->Call(&Stub::ChangeTrust, request, true);
}

absl::Status Client::WatchStatus(
    const std::function<bool(const v1::Status&)>& on_status) {
  return impl_->Streamed<v1::Status>(
      [this](grpc::ClientContext* context) {
        return impl_->stub->WatchStatus(context, v1::GetStatusRequest());
      },
      absl::nullopt, false, on_status);
}

absl::Status Client::Isolate(
    const v1::IsolateRequest& request, absl::Duration patience,
    const std::function<bool(const v1::IsolateProgress&)>& on_progress) {
  return impl_->Streamed<v1::IsolateProgress>(
      [this, &request](grpc::ClientContext* context) {
        return impl_->stub->Isolate(context, request);
      },
      patience, true, on_progress);
}

void Client::Cancel() {
  absl::MutexLock lock(&impl_->mutex);
  impl_->cancelled = true;
  if (impl_->streaming != nullptr) impl_->streaming->TryCancel();
}

}  // namespace sluice::cli
