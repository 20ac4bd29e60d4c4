// The fence's twin for tests and for the simulator: the same semantics, no
// kernel, and the time it is given. What Admits() says is what the kernel would
// do with the first packet of a new session.

#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agents/isolation/fence.h"

namespace sluice::agent {

class MemoryFence : public Fence {
 public:
  explicit MemoryFence(std::function<absl::Time()> now);

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

  // As the kernel's sensor would count it, while the fence is up.
  void Refused(Attempt attempt);

  // Whether `flow`, all of it, could pass now.
  bool Admits(const Flow& flow) const;

 private:
  struct Held {
    absl::Time until;
    std::set<Flow> flows;
  };

  bool IsLive(const Held& held) const { return now_() < held.until; }

  const std::function<absl::Time()> now_;
  Mode mode_ = Mode::kOpen;
  std::set<Flow> management_;
  std::set<Flow> vital_;
  std::set<Flow> standing_;
  std::map<std::string, Held> releases_;
  std::vector<Attempt> attempts_;
};

}  // namespace sluice::agent
