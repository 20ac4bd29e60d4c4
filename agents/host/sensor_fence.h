// The fence, and beside it what its sensor saw: every reading is noted, and a
// fence put up after a reboot goes on from what was known before.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agents/host/sightings.h"
#include "agents/isolation/fence.h"

namespace sluice::agent {

class SensorFence : public Fence {
 public:
  struct Ports {
    std::function<absl::Duration()> now;  // since boot
    std::function<absl::Time()> clock;
    // Whether nothing can have left this host since it started.
    std::function<bool()> nothing_sent;
  };
  // `fence` and `sightings` outlive it.
  SensorFence(Fence* fence, Sightings* sightings, Ports ports);

  // The host's start is over: a fence that goes up from now on is a new one.
  void Settle() { starting_ = false; }

  absl::StatusOr<FenceReading> Replace(const FenceRules& rules) override;
  absl::StatusOr<FenceReading> Open(const std::string& digest,
                                    absl::Duration lease,
                                    const std::vector<Flow>& flows) override;
  absl::StatusOr<FenceReading> Remove(const std::string& digest,
                                      const std::vector<Flow>& flows) override;
  absl::Status Renew(
      const std::map<std::string, absl::Duration>& leases) override;
  absl::StatusOr<FenceReading> Confirm(const std::string& digest,
                                       const std::vector<Flow>& flows) override;
  absl::StatusOr<FenceReading> Read() override;

 private:
  absl::StatusOr<FenceReading> Note(absl::StatusOr<FenceReading> reading);

  Fence* const fence_;
  Sightings* const sightings_;
  const Ports ports_;
  bool starting_ = true;
};

// Whether no interface but loopback has sent a packet since it came to be.
// False when that cannot be read.
bool NothingSent(const std::string& proc);

}  // namespace sluice::agent
