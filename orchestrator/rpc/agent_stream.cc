#include "orchestrator/rpc/agent_stream.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/rpc/agent_messages.h"
#include "orchestrator/rpc/agent_registry.h"
#include "orchestrator/rpc/grpc_status.h"

namespace sluice::rpc {
namespace {

// What may wait for an agent that reads slowly.
constexpr size_t kMaxQueued = 4096;
constexpr size_t kMaxQueuedBytes = 16 << 20;

}  // namespace

AgentStream::AgentStream(grpc::CallbackServerContext* context,
                         AgentRegistry* registry, runtime::Inbox* inbox,
                         HostId host, HostId speaker, bool should_renew,
                         std::optional<engine::IdentityChanged> pinned)
    : context_(context),
      registry_(registry),
      inbox_(inbox),
      host_(std::move(host)),
      speaker_(std::move(speaker)),
      should_renew_(should_renew),
      pinned_(std::move(pinned)) {}

void AgentStream::Begin() {
  id_ = registry_->Add(host_, shared_from_this());
  ReadOn();
}

// ── reading ─────────────────────────────────────────────────────────────────

void AgentStream::OnReadDone(bool ok) {
  if (!ok) return Close(grpc::Status::OK);
  if (incoming_.kind_case() == v1::AgentMessage::kHeartbeat) {
    // That it came is all it says; HTTP/2 pings find dead links.
    if (!BeatsTooOften()) return ReadOn();
    return Close(grpc::Status(
        grpc::StatusCode::RESOURCE_EXHAUSTED,
        "more heartbeats than renewals; install the agent of this version"));
  }
  if (incoming_.kind_case() == v1::AgentMessage::kGoodbye) {
    const std::string why = ReasonOf(incoming_.goodbye());
    spdlog::warn("host {}: its agent hangs up: {}", host_.str(), why);
    return Close(grpc::Status(grpc::StatusCode::ABORTED, why));
  }
  const bool hello = incoming_.kind_case() == v1::AgentMessage::kHello;
  if (hello == greeted_) {
    return Close(grpc::Status(
        grpc::StatusCode::INVALID_ARGUMENT,
        hello ? "a second hello on one stream; attach anew instead"
              : "a stream begins with a hello; install the agent of this "
                "version"));
  }
  greeted_ = true;
  if (incoming_.kind_case() == v1::AgentMessage::kObservations) {
    const absl::Status kept =
        ObservesTooOften()
            ? absl::ResourceExhaustedError("more observations than renewals")
            : registry_->observations().Keep(
                  host_, std::move(*incoming_.mutable_observations()));
    return kept.ok() ? ReadOn() : Close(ToGrpc(kept));
  }
  HandOver(incoming_);
}

// Each answers a renewal. More would only keep our threads busy.
bool AgentStream::BeatsTooOften() {
  constexpr uint64_t kSlack = 16;
  const std::lock_guard<std::mutex> lock(mutex_);
  return ++heartbeats_ > renewals_ + kSlack;
}

bool AgentStream::ObservesTooOften() {
  constexpr uint64_t kSlack = 30;
  const std::lock_guard<std::mutex> lock(mutex_);
  return ++observations_ > 2 * renewals_ + kSlack;
}

void AgentStream::HandOver(const v1::AgentMessage& message) {
  absl::StatusOr<engine::Event> event = EventOf(host_, message, speaker_);
  if (!event.ok()) {
    spdlog::warn("host {}: {}", host_.str(),
                 std::string(event.status().message()));
    return Close(ToGrpc(event.status()));
  }
  runtime::FromAgent from{host_, id_, *std::move(event), nullptr, speaker_};
  from.taken_up = [self = shared_from_this()] { self->ReadOn(); };
  absl::Status told = inbox_->Tell(std::move(from));
  if (told.ok() && pinned_.has_value()) {
    told = inbox_->Tell({host_, id_, *std::move(pinned_), nullptr, speaker_});
    pinned_.reset();
  }
  if (!told.ok()) Close(ToGrpc(told));
}

void AgentStream::ReadOn() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!closing_) StartRead(&incoming_);
}

// ── writing ─────────────────────────────────────────────────────────────────

void AgentStream::Welcome(v1::OrchestratorMessage message) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    welcomed_ = true;
  }
  Queue(std::move(message), false, false);
}

void AgentStream::Send(v1::OrchestratorMessage message, bool first) {
  Queue(std::move(message), first, false);
}

void AgentStream::Renew(uint64_t epoch,
                        const std::vector<std::string>& releases) {
  v1::OrchestratorMessage message;
  v1::Renewal* renewal = message.mutable_renewal();
  renewal->set_epoch(epoch);
  for (const std::string& release : releases) {
    renewal->add_release_digests(release);
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // One that waits for a slow agent says enough.
    if (renewal_waits_) return;
    renewal->set_counter(++renewals_);
  }
  Queue(std::move(message), false, true);
}

void AgentStream::Queue(v1::OrchestratorMessage message, bool first,
                        bool renewal) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closing_ || !welcomed_) return;
  const size_t bytes = message.ByteSizeLong();
  if (queue_.size() >= kMaxQueued || queued_bytes_ + bytes > kMaxQueuedBytes) {
    CloseLocked(grpc::Status(
        grpc::StatusCode::RESOURCE_EXHAUSTED,
        "the agent does not read what is sent to it; attach again"));
    context_->TryCancel();
    return;
  }
  Waiting waiting{std::move(message), bytes, renewal};
  // The welcome stays ahead: an agent obeys nothing before it.
  const bool jump =
      first && (queue_.empty() || !queue_.front().message.has_welcome());
  queued_bytes_ += bytes;
  renewal_waits_ = renewal_waits_ || renewal;
  if (jump) {
    queue_.push_front(std::move(waiting));
  } else if (first) {
    queue_.insert(queue_.begin() + 1, std::move(waiting));
  } else {
    queue_.push_back(std::move(waiting));
  }
  WriteNext();
}

void AgentStream::WriteNext() {
  if (writing_ || closing_ || queue_.empty()) return;
  Waiting& next = queue_.front();
  queued_bytes_ -= next.bytes;
  if (next.renewal) renewal_waits_ = false;
  outgoing_ = std::move(next.message);
  queue_.pop_front();
  writing_ = true;
  StartWrite(&outgoing_);
}

void AgentStream::OnWriteDone(bool ok) {
  const std::lock_guard<std::mutex> lock(mutex_);
  writing_ = false;
  if (closing_) {
    if (!std::exchange(finished_, true)) Finish(status_);
    return;
  }
  if (!ok) {
    return CloseLocked(
        grpc::Status(grpc::StatusCode::UNAVAILABLE, "the link broke"));
  }
  WriteNext();
}

// ── ending ──────────────────────────────────────────────────────────────────

void AgentStream::CloseLocked(grpc::Status status) {
  if (closing_) return;
  closing_ = true;
  status_ = std::move(status);
  queue_.clear();
  // Otherwise OnWriteDone() finishes.
  if (!writing_) {
    finished_ = true;
    Finish(status_);
  }
}

void AgentStream::Close(grpc::Status status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  CloseLocked(std::move(status));
}

void AgentStream::Abort(grpc::Status status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  CloseLocked(std::move(status));
  // A write to a dead link would end much later.
  if (writing_) context_->TryCancel();
}

void AgentStream::OnCancel() {
  Close(grpc::Status(grpc::StatusCode::CANCELLED, "the link broke"));
}

void AgentStream::OnDone() {
  registry_->Remove(host_, id_);
  std::string reason;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    reason =
        status_.ok() ? "its agent closed the link" : status_.error_message();
  }
  if (greeted_) {
    // Never refused: there is one a stream.
    (void)inbox_->Tell(runtime::FromAgent{
        host_, id_, engine::AgentLost{host_, std::move(reason)}, nullptr,
        speaker_});
  }
  self_.reset();
}

}  // namespace sluice::rpc
