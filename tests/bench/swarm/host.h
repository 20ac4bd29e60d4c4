// One simulated host: the agent's own core and link, as on a real host, with a
// kernel and a disk in memory that answer at once. Its checks pass.

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/core/agent_core.h"
#include "agents/host/config.h"
#include "agents/isolation/memory_fence.h"
#include "agents/link/agent_link.h"
#include "common/sshsig.h"

namespace sluice::swarm {

// CLOCK_BOOTTIME, as agents have it.
absl::Duration Now();

// What the swarm counts, for all its hosts together. `at` is the time since
// boot.
class Witness {
 public:
  virtual ~Witness() = default;
  virtual void Linked(bool welcomed, absl::Duration at) = 0;
  // What a link says when it breaks or does not come up.
  virtual void Said(const std::string& line) = 0;
  // An order was carried out and its report handed to the link.
  virtual void Answered(const std::string& host, const agent::Report& report,
                        absl::Duration at) = 0;
};

class Host {
 public:
  // `wake` is called from any thread when Turn() has something to do.
  Host(const agent::AgentConfig& config, SshSigner signer,
       std::shared_ptr<grpc::ChannelCredentials> credentials, Witness* witness,
       std::function<void()> wake);
  ~Host();

  void Dial() { link_->Start(); }

  // Of one thread at a time: carries out what waits. When it wants to be
  // turned again at the latest, as a time since boot.
  absl::Duration Turn();

 private:
  void Hear(agent::Event event);
  void Post(agent::Event event);
  bool Take(agent::Event* event);  // false: nothing waits
  void Step(agent::Event event);

  void Do(const agent::ChangeFence& command);
  void Do(const agent::SaveState& command);
  void Do(const agent::StartChecks& command);
  void Do(const agent::StartTries& command);
  void Do(const agent::StartUnitNow& command);
  void Do(const agent::Send& command);
  void Do(const agent::HangUp& command) { link_->HangUp(command.reason); }
  void Do(const agent::TellRoot&) {}
  void Do(const agent::Note&) {}

  const std::string name_;
  const SshSigner signer_;
  Witness* const witness_;
  const std::function<void()> wake_;
  agent::MemoryFence fence_;
  agent::AgentCore core_;
  absl::Duration deadline_ = absl::InfiniteDuration();
  std::deque<agent::Event> answers_;  // of the fence and the disk
  bool welcomed_ = false;             // of the link's thread alone

  std::mutex mutex_;
  std::deque<agent::Event> waiting_;  // guarded by mutex_

  std::unique_ptr<agent::AgentLink> link_;
};

}  // namespace sluice::swarm
