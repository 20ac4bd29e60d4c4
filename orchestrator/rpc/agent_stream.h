// One agent's stream.
//
// Reading waits until the loop has taken up what was read before, so a
// flooding agent waits for itself; writing has a bounded queue, and an agent
// that does not read loses its stream, so a slow one harms nobody else. An
// isolation goes to the front of the queue.

#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/runtime/inbox.h"
#include "sluice/v1/agent.pb.h"

namespace sluice::rpc {

class AgentRegistry;

class AgentStream
    : public grpc::ServerBidiReactor<v1::AgentMessage, v1::OrchestratorMessage>,
      public std::enable_shared_from_this<AgentStream> {
 public:
  // `host`: what it is about. `speaker`: whose agent speaks, as its certificate
  // says. `should_renew`: that ends soon. `pinned`: what is to be recorded of
  // the speaker once it said hello.
  AgentStream(grpc::CallbackServerContext* context, AgentRegistry* registry,
              runtime::Inbox* inbox, HostId host, HostId speaker,
              bool should_renew, std::optional<engine::IdentityChanged> pinned);
  bool should_renew() const { return should_renew_; }
  const HostId& speaker() const { return speaker_; }

  // It keeps itself alive from now on, until gRPC is done.
  void Hold() { self_ = shared_from_this(); }
  // Registers and starts reading. REQUIRES: Hold().
  void Begin();

  // Any thread; nothing is sent before Welcome().
  void Welcome(v1::OrchestratorMessage message);
  void Send(v1::OrchestratorMessage message, bool first);
  void Renew(uint64_t epoch, const std::vector<std::string>& releases);

  // Ends the stream with `status` after the message being written.
  void Close(grpc::Status status);
  // The same, not waiting for an agent that does not read.
  void Abort(grpc::Status status);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  struct Waiting {
    v1::OrchestratorMessage message;
    size_t bytes = 0;
    bool renewal = false;
  };

  bool BeatsTooOften();
  bool ObservesTooOften();
  void HandOver(const v1::AgentMessage& message);
  void ReadOn();
  void Queue(v1::OrchestratorMessage message, bool first, bool renewal);
  // REQUIRES: mutex_ is held.
  void WriteNext();
  void CloseLocked(grpc::Status status);

  grpc::CallbackServerContext* const context_;
  AgentRegistry* const registry_;
  runtime::Inbox* const inbox_;
  const HostId host_;
  const HostId speaker_;
  const bool should_renew_;
  std::optional<engine::IdentityChanged> pinned_;  // of the reading side alone
  runtime::StreamId id_ = 0;
  std::shared_ptr<AgentStream> self_;
  v1::AgentMessage incoming_;  // of the read under way
  bool greeted_ = false;       // of the reading side alone
  uint64_t heartbeats_ = 0;    // of the reading side alone
  uint64_t observations_ = 0;  // of the reading side alone

  std::mutex mutex_;
  // Below: guarded by mutex_.
  std::deque<Waiting> queue_;
  size_t queued_bytes_ = 0;
  v1::OrchestratorMessage outgoing_;  // of the write under way
  bool welcomed_ = false;
  bool writing_ = false;
  bool renewal_waits_ = false;
  bool closing_ = false;
  bool finished_ = false;
  grpc::Status status_;
  uint64_t renewals_ = 0;
};

}  // namespace sluice::rpc
