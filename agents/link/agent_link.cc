#include "agents/link/agent_link.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/core/state.h"
#include "agents/link/enrol.h"
#include "agents/link/messages.h"
#include "agents/link/stream.h"
#include "agents/link/tls.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

constexpr absl::Duration kRenewPatience = absl::Seconds(10);
constexpr size_t kMaxPem = 1 << 20;

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxPem, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  if (text.find("-----BEGIN") == std::string::npos) {
    return absl::NotFoundError(
        absl::StrCat(path,
                     ": no PEM text can be read here; enrol this host first: "
                     "`sluice-agent enrol`"));
  }
  return text;
}

}  // namespace

class AgentLink::Impl {
 public:
  Impl(LinkOptions options,
       std::shared_ptr<grpc::ChannelCredentials> credentials,
       std::function<void(Event)> on_event,
       std::function<void(const std::string&)> log)
      : options_(std::move(options)),
        credentials_(std::move(credentials)),
        on_event_(std::move(on_event)),
        log_(std::move(log)),
        random_(std::random_device()()) {}

  ~Impl() { Stop(); }

  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      if (stream_ != nullptr) stream_->Cancel();
      wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }

  void Start() {
    thread_ = std::thread([this] { Run(); });
  }

  void Send(const Message& message) {
    const std::lock_guard lock(mutex_);
    if (stream_ == nullptr) return;
    if (!stream_->Send(ToProto(message))) stream_->Cancel();
  }

  bool Send(const Observations& observations) {
    const std::lock_guard lock(mutex_);
    if (stream_ == nullptr || !welcomed_) return false;
    return stream_->Send(ToProto(observations));
  }

  void HangUp(const std::string& reason) {
    log_(absl::StrCat("hanging up: ", reason));
    const std::lock_guard lock(mutex_);
    if (stream_ != nullptr) stream_->Leave(reason);
  }

 private:
  // Dials one orchestrator after the other until told to stop.
  void Run() {
    const size_t all = options_.orchestrators.size();
    const absl::Duration first_patience =
        all > 1 ? options_.patience : options_.longest_patience;
    absl::Duration pause = options_.shortest_pause;
    absl::Duration patience = first_patience;
    size_t in_vain = 0;
    for (size_t next = 0;; ++next) {
      const bool welcomed =
          TakeCredentials() &&
          Attach(options_.orchestrators[next % all], patience);
      // A link that worked is dialled again soon, itself first.
      if (welcomed) {
        pause = options_.shortest_pause;
        patience = first_patience;
        in_vain = 0;
        --next;
      } else if (++in_vain % all == 0) {
        patience = std::min(patience * 2, options_.longest_patience);
      }
      std::uniform_real_distribution<double> jitter(0.5, 1.0);
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock,
                         absl::ToChronoMilliseconds(pause * jitter(random_)),
                         [this] { return stopping_; })) {
        return;
      }
      pause = std::min(pause * 2, options_.longest_pause);
    }
  }

  // False when there are none to call with, which is said once.
  bool TakeCredentials() {
    if (!options_.credentials_now) return true;
    auto credentials = options_.credentials_now();
    if (credentials.ok()) {
      credentials_ = *std::move(credentials);
      return true;
    }
    const std::string line(credentials.status().message());
    if (line != last_line_) log_(line);
    last_line_ = line;
    return false;
  }

  // One stream, until it ends. True when the orchestrator welcomed us.
  bool Attach(const std::string& address, absl::Duration patience) {
    const std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel(
        address, credentials_, LinkArguments(patience));
    {
      const std::lock_guard lock(mutex_);
      welcomed_ = false;
    }
    renew_asked_ = false;
    broken_.clear();
    Stream stream(channel, options_.queue, options_.acts_for);
    {
      const std::lock_guard lock(mutex_);
      stream.Begin();
      stream_ = &stream;
      if (stopping_) stream.Cancel();
    }
    on_event_(LinkConnected{});
    Follow(stream, patience);
    {
      const std::lock_guard lock(mutex_);
      stream_ = nullptr;
    }
    on_event_(LinkDown{});
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return welcomed_;
    }
    Say(address, stream.status());
    // Known, and expired: the one thing that may still be done.
    if (stream.status().error_code() == grpc::StatusCode::UNAUTHENTICATED) {
      if (options_.reload) UseRenewed(Renew(channel, kRenewPatience));
    }
    return welcomed_;
  }

  // Takes what comes on the stream, until its end.
  void Follow(Stream& stream, absl::Duration patience) {
    const auto began = std::chrono::steady_clock::now();
    bool waiting = true;  // for the welcome
    while (true) {
      const absl::Duration waited =
          absl::FromChrono(std::chrono::steady_clock::now() - began);
      switch (
          stream.Next(waiting ? patience - waited : absl::InfiniteDuration())) {
        case Stream::News::kMessage:
          Take(stream.message());
          if (welcomed_) waiting = false;
          if (renew_asked_ && options_.reload) {
            renew_asked_ = false;
            stream.AskRenewal(kRenewPatience);
          }
          break;
        case Stream::News::kRenewed:
          UseRenewed(stream.renewal());
          break;
        case Stream::News::kNothing:
          broken_ = "no welcome came";
          waiting = false;
          stream.Cancel();
          break;
        case Stream::News::kEnded:
          return;
      }
    }
  }

  void UseRenewed(const absl::StatusOr<std::string>& certificate) {
    absl::Status status = certificate.status();
    if (status.ok()) {
      auto credentials = options_.reload(*certificate);
      status = credentials.status();
      if (status.ok()) credentials_ = *std::move(credentials);
    }
    const std::string line =
        status.ok() ? "the certificate was renewed"
                    : absl::StrCat("the certificate could not be renewed: ",
                                   status.message());
    if (line != last_renewal_) log_(line);
    last_renewal_ = line;
  }

  void Take(const v1::OrchestratorMessage& message) {
    absl::StatusOr<Event> event = FromProto(message);
    if (!event.ok()) {
      HangUp(std::string(event.status().message()));
      return;
    }
    if (std::holds_alternative<LinkWelcomed>(*event)) {
      renew_asked_ = message.welcome().renew();
      const std::lock_guard lock(mutex_);
      welcomed_ = true;
    }
    on_event_(*std::move(event));
  }

  // One line when a link that worked ends, and one when the reason why none
  // comes up changes: not one an attempt.
  void Say(const std::string& address, const grpc::Status& status) {
    const std::string why =
        !broken_.empty() ? broken_
        : status.ok()    ? std::string("the orchestrator closed the stream")
                         : OneLine(status.error_message(), 300);
    const std::string line =
        absl::StrCat("no link to ", address, ": ", why, "; dialling ",
                     options_.orchestrators.size() > 1 ? "the next" : "again");
    if (welcomed_ || line != last_line_) log_(line);
    last_line_ = line;
  }

  const LinkOptions options_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;  // thread_ only
  const std::function<void(Event)> on_event_;
  const std::function<void(const std::string&)> log_;
  std::mt19937 random_;
  std::thread thread_;

  std::mutex mutex_;
  std::condition_variable wake_;
  Stream* stream_ = nullptr;  // guarded by mutex_
  bool stopping_ = false;     // guarded by mutex_

  bool welcomed_ = false;     // written by thread_, under mutex_
  bool renew_asked_ = false;  // thread_ only
  std::string broken_;        // thread_ only
  std::string last_line_;     // thread_ only
  std::string last_renewal_;  // thread_ only
};

AgentLink::AgentLink(LinkOptions options,
                     std::shared_ptr<grpc::ChannelCredentials> credentials,
                     std::function<void(Event)> on_event,
                     std::function<void(const std::string&)> log)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(credentials),
                                   std::move(on_event), std::move(log))) {}

AgentLink::~AgentLink() = default;

void AgentLink::Start() { impl_->Start(); }
void AgentLink::Stop() { impl_->Stop(); }
void AgentLink::Send(const Message& message) { impl_->Send(message); }
bool AgentLink::Send(const Observations& observations) {
  return impl_->Send(observations);
}
void AgentLink::HangUp(const std::string& reason) { impl_->HangUp(reason); }

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ReadCredentials(
    const std::string& certificate, const std::string& key,
    const std::string& authority, const EstateId& estate) {
  SLUICE_ASSIGN_OR_RETURN(const std::string own, ReadPem(certificate));
  SLUICE_ASSIGN_OR_RETURN(const std::string secret, ReadPem(key));
  SLUICE_ASSIGN_OR_RETURN(const std::string issuer, ReadPem(authority));
  return HostCredentials(own, secret, issuer, estate);
}

}  // namespace sluice::agent
