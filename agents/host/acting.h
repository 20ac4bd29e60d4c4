// One point that runs no agent, and all that acts for it here: a core with its
// own state and quarantine number, the driver as its fence, a stream of its
// own to the orchestrator under this host's identity, and a thread.
//
// What is promised is what this process can keep: leases close while it lives.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "agents/checks/process.h"
#include "agents/checks/stop.h"
#include "agents/checks/workers.h"
#include "agents/host/config.h"
#include "agents/host/driver.h"
#include "agents/host/state_store.h"
#include "agents/isolation/command_fence.h"
#include "agents/link/agent_link.h"

namespace sluice::agent {

// The program of one DriverRule: no shell, a clean environment, its group
// killed when its time is over, and at most 1 MiB believed of it.
class DriverProcess : public DriverProgram {
 public:
  explicit DriverProcess(DriverRule rule) : rule_(std::move(rule)) {}

  absl::StatusOr<std::string> Run(const std::string& input) override;
  void Interrupt() override;

 private:
  const DriverRule rule_;
  std::mutex mutex_;
  Stop* running_ = nullptr;  // guarded by mutex_
};

class ActingPoint {
 public:
  struct Options {
    HostId point;
    std::string version;
    const Signer* evidence_signer = nullptr;  // as CoreOptions'
    CheckContext checks;                      // of this host
    std::function<void(const std::string&)> log;
  };

  // Takes the point's state directory. Nothing runs yet.
  static absl::StatusOr<std::unique_ptr<ActingPoint>> Open(
      const AgentConfig& config, Options options);
  // Ends its thread and its stream; the point stays as it is.
  ~ActingPoint();
  ActingPoint(const ActingPoint&) = delete;
  ActingPoint& operator=(const ActingPoint&) = delete;

  // Puts the point's fence up if its state says so, in a thread of its own, for
  // a driver may take its time; then obeys.
  void Start(const std::string& boot_id, uint64_t fresh_number);

  // Root asks by a file in the point's state directory (`sluice-agent isolate
  // --point`, `release --point`): does it, or judges it, if one is there.
  void TakeRequests();

  // Dials for the point. `credentials` gives what this host has now.
  void Dial(std::vector<std::string> orchestrators, Credentials credentials);

 private:
  ActingPoint(const AgentConfig& config, Options options, FileStateStore store);
  void Post(Event event);

  const Options options_;
  const HostId acting_;      // this host
  const std::string state_;  // the directory
  FileStateStore store_;
  DriverProcess program_;
  CommandFence fence_;
  std::mutex mutex_;
  std::unique_ptr<AgentLink> link_;  // guarded by mutex_
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<Workers> workers_;
  std::thread thread_;
};

}  // namespace sluice::agent
