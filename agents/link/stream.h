// One call to the orchestrator, from dialling to its end, and what it reads.
//
// Has no thread: whoever calls Next() drives it, and nothing wakes while
// nothing comes. (gRPC's callbacks come from threads of its own that look
// around every second.)

#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "sluice/v1/agent.grpc.pb.h"
#include "sluice/v1/identity.grpc.pb.h"

namespace sluice::agent {

class Stream {
 public:
  enum class News {
    kMessage,  // message() is new
    kRenewed,  // renewal() has the answer
    kEnded,    // status() says why; the last news, after a renewal's
    kNothing,  // the time is over
  };

  // At most `limit` messages wait to be sent. `acts_for`: the point, without an
  // agent of its own, that the stream is about; empty: this host.
  Stream(std::shared_ptr<grpc::Channel> channel, size_t limit,
         const HostId& acts_for = HostId());
  // REQUIRES: never begun, or ended.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // REQUIRES: called once.
  void Begin();

  // The next news within `time`; infinite waits for it. One thread's alone, and
  // not after kEnded.
  News Next(absl::Duration time);
  const v1::OrchestratorMessage& message() const { return incoming_; }
  const grpc::Status& status() const { return status_; }

  // Asks for a new certificate beside the stream, for `patience` at most; asked
  // again while one is on its way, nothing happens. Next()'s thread alone.
  void AskRenewal(absl::Duration patience);
  // REQUIRES: the news were kRenewed. A certificate in PEM.
  absl::StatusOr<std::string> renewal() const;

  // From any thread. False when too much waits already.
  bool Send(v1::AgentMessage message);

  // From any thread: ends the call, once however often it is asked for.
  void Cancel();
  // The same once the orchestrator heard why, or does not listen.
  void Leave(const std::string& reason);

 private:
  struct Renewal {
    grpc::ClientContext context;
    v1::Enrolled reply;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::Enrolled>> call;
  };
  // What is under way, as gRPC's queue gives it back.
  enum Tag : intptr_t {
    kStart = 1,
    kRead,
    kWrite,
    kFinish,
    kRenewing,
    kGiveUp,
  };
  static void* ToTag(Tag tag) { return reinterpret_cast<void*>(tag); }

  void OnStarted(bool ok);
  void OnWritten(bool ok);
  void Finish();

  const std::shared_ptr<grpc::Channel> channel_;
  const size_t limit_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientAsyncReaderWriter<v1::AgentMessage, v1::OrchestratorMessage>>
      call_;
  v1::OrchestratorMessage incoming_;
  bool taken_ = false;  // incoming_ was handed out: read on
  bool ended_ = false;
  grpc::Status status_;

  std::mutex mutex_;
  std::optional<Renewal> renewal_;         // the last; made under mutex_
  std::deque<v1::AgentMessage> outgoing_;  // the first is being written
  bool started_ = false;                   // guarded by mutex_
  bool closing_ = false;                   // guarded by mutex_
  bool leaving_ = false;                   // guarded by mutex_
  std::optional<grpc::Alarm> give_up_;     // guarded by mutex_
  std::atomic<bool> renewing_ = false;     // set under mutex_
};

}  // namespace sluice::agent
