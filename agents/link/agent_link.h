// The agent's end of the stream to the orchestrator: dials out, and listens on
// nothing.
//
// Owns one gRPC stream at a time, in mutual TLS, to the first of the
// orchestrators that answers, and dials again when it breaks: jittered, 0.2 to
// 5 s. What is handed out is parsed but not believed: judging is the core's.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/core/event.h"
#include "agents/core/message.h"
#include "agents/core/observed.h"

namespace grpc {
class ChannelCredentials;
}

namespace sluice::agent {

// What this host can show now.
using Credentials =
    std::function<absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>>()>;

struct LinkOptions {
  std::vector<std::string> orchestrators;  // "10.77.0.1:7443"
  absl::Duration shortest_pause = absl::Milliseconds(200);
  absl::Duration longest_pause = absl::Seconds(5);
  // How long a call may stay without the orchestrator's welcome while there is
  // another orchestrator to try; twice as long after each round in which none
  // welcomed us, up to `longest_patience`, which also holds where there is
  // only one. When thousands of agents dial at once (the orchestrator was
  // started again) their handshakes take longer than ten seconds together,
  // and giving up would waste the work and begin the queue anew, for ever.
  absl::Duration patience = absl::Seconds(10);
  absl::Duration longest_patience = absl::Seconds(60);
  // Orders and answers that wait to be sent or taken; over that the link is
  // dropped, and what is outstanding comes again.
  size_t queue = 4096;
  // Keeps a renewed certificate (PEM) and gives credentials with it; empty:
  // certificates are not renewed. Called from the link's own thread.
  std::function<absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>>(
      const std::string& certificate)>
      reload;
  // The point, without an agent of its own, that the stream is about; empty:
  // this host.
  HostId acts_for = {};
  // Asked before each call, when it is set: somebody else renews them.
  Credentials credentials_now = nullptr;
};

class AgentLink {
 public:
  // `on_event` gets LinkConnected, LinkWelcomed, OrderReceived,
  // RenewalReceived and LinkDown; `log` a line when something changes. Both
  // are called from the link's own thread, and must be quick.
  AgentLink(LinkOptions options,
            std::shared_ptr<grpc::ChannelCredentials> credentials,
            std::function<void(Event)> on_event,
            std::function<void(const std::string&)> log);
  ~AgentLink();
  AgentLink(const AgentLink&) = delete;
  AgentLink& operator=(const AgentLink&) = delete;

  // Begins to dial. `log` and `on_event` are used from now on.
  void Start();

  // Dropped when the link is down: what matters is asked for again.
  void Send(const Message& message);

  // The same for what is no part of any order; whether it left. Only what an
  // orchestrator has welcomed is told.
  bool Send(const Observations& observations);

  // For good; no event comes after it returned. Not from an event.
  void Stop();

  // Tells the orchestrator why, ends the stream and, after a pause, tries the
  // next.
  void HangUp(const std::string& reason);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Mutual TLS from PEM files (tls.h).
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ReadCredentials(
    const std::string& certificate, const std::string& key,
    const std::string& authority, const EstateId& estate = {});

}  // namespace sluice::agent
