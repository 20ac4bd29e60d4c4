#include "agents/link/stream.h"

#include <algorithm>
#include <utility>

#include "agents/link/enrol.h"

namespace sluice::agent {
namespace {

// How long an orchestrator has to end a stream that was said goodbye to.
constexpr absl::Duration kGoodbyePatience = absl::Seconds(1);
constexpr char kActsForKey[] = "sluice-acts-for";

// Not a time of day: somebody may set the clock.
gpr_timespec After(absl::Duration time) {
  if (time == absl::InfiniteDuration()) {
    return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  }
  const int64_t milliseconds =
      absl::ToInt64Milliseconds(absl::Ceil(time, absl::Milliseconds(1)));
  return gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC),
      gpr_time_from_millis(std::max<int64_t>(0, milliseconds), GPR_TIMESPAN));
}

}  // namespace

Stream::Stream(std::shared_ptr<grpc::Channel> channel, size_t limit,
               const HostId& acts_for)
    : channel_(std::move(channel)), limit_(limit) {
  if (!acts_for.empty()) context_.AddMetadata(kActsForKey, acts_for.str());
}

Stream::~Stream() {
  if (give_up_.has_value()) give_up_->Cancel();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void Stream::Begin() {
  call_ =
      v1::AgentLink::NewStub(channel_)->PrepareAsyncAttach(&context_, &queue_);
  call_->StartCall(ToTag(kStart));
}

Stream::News Stream::Next(absl::Duration time) {
  const gpr_timespec until = After(time);
  if (std::exchange(taken_, false)) call_->Read(&incoming_, ToTag(kRead));
  while (!ended_ || renewing_) {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, until) !=
        grpc::CompletionQueue::GOT_EVENT) {
      return News::kNothing;
    }
    switch (static_cast<Tag>(reinterpret_cast<intptr_t>(tag))) {
      case kStart:
        OnStarted(ok);
        break;
      case kWrite:
        OnWritten(ok);
        break;
      case kRead:
        if (ok) {
          taken_ = true;
          return News::kMessage;
        }
        Finish();
        break;
      case kRenewing:
        renewing_ = false;
        return News::kRenewed;
      case kFinish:
        ended_ = true;
        break;
      case kGiveUp:
        if (ok) Cancel();
        break;
    }
  }
  return News::kEnded;
}

void Stream::OnStarted(bool ok) {
  if (!ok) {
    Finish();
    return;
  }
  call_->Read(&incoming_, ToTag(kRead));
  const std::lock_guard lock(mutex_);
  started_ = true;
  if (!closing_ && !outgoing_.empty()) {
    call_->Write(outgoing_.front(), ToTag(kWrite));
  }
}

void Stream::OnWritten(bool ok) {
  const std::lock_guard lock(mutex_);
  outgoing_.pop_front();
  if (closing_) return;
  if (!ok) {
    closing_ = true;  // what is read next says why
  } else if (!outgoing_.empty()) {
    call_->Write(outgoing_.front(), ToTag(kWrite));
  } else if (leaving_ && !give_up_.has_value()) {
    // The orchestrator ends the call now; one that does not is not waited for.
    give_up_.emplace().Set(&queue_, After(kGoodbyePatience), ToTag(kGiveUp));
  }
}

void Stream::Finish() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  call_->Finish(&status_, ToTag(kFinish));
}

bool Stream::Send(v1::AgentMessage message) {
  const std::lock_guard lock(mutex_);
  if (closing_) return true;
  if (outgoing_.size() >= limit_) return false;
  outgoing_.push_back(std::move(message));
  if (started_ && outgoing_.size() == 1) {
    call_->Write(outgoing_.front(), ToTag(kWrite));
  }
  return true;
}

void Stream::Cancel() {
  const std::lock_guard lock(mutex_);
  if (renewing_) renewal_->context.TryCancel();
  if (std::exchange(closing_, true)) return;
  context_.TryCancel();
}

void Stream::Leave(const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(leaving_, true)) return;
  }
  v1::AgentMessage goodbye;
  goodbye.mutable_goodbye()->set_reason(reason);
  if (!Send(std::move(goodbye))) Cancel();
}

void Stream::AskRenewal(absl::Duration patience) {
  const std::lock_guard lock(mutex_);
  if (renewing_) return;
  renewing_ = true;
  renewal_.emplace();
  renewal_->context.set_deadline(After(patience));
  renewal_->call = v1::Enrolment::NewStub(channel_)->PrepareAsyncRenew(
      &renewal_->context, v1::RenewRequest(), &queue_);
  renewal_->call->StartCall();
  renewal_->call->Finish(&renewal_->reply, &renewal_->status, ToTag(kRenewing));
}

absl::StatusOr<std::string> Stream::renewal() const {
  return RenewedCertificate(renewal_->status, renewal_->reply);
}

}  // namespace sluice::agent
