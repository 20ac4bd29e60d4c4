// A host's kernel: its fence, whose guards count on the host's own boot clock,
// and its connection tracking, so that it can be asked whether a packet of a
// session passes.
//
// What it does is what agents/isolation/fence.h promises and tests/hosts shows
// of real kernels: flows are matched on a connection's *original* direction,
// new TCP starts with SYN, and a flow that is closed or opened anew forgets
// its connections.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agents/isolation/fence.h"
#include "agents/isolation/memory_fence.h"

namespace sluice::simulation {

// One session between two ends, by number; an end that opens anew has another.
struct Tuple {
  uint64_t session = 0;
  Flow flow;  // both ends are single addresses, one port
};

class Kernel : public agent::Fence {
 public:
  // `boot_clock` outlives the kernel.
  explicit Kernel(std::function<absl::Duration()> boot_clock);

  // ── the port ──────────────────────────────────────────────────────────────
  absl::StatusOr<agent::FenceReading> Replace(
      const agent::FenceRules& rules) override;
  absl::StatusOr<agent::FenceReading> Open(
      const std::string& digest, absl::Duration lease,
      const std::vector<Flow>& flows) override;
  absl::StatusOr<agent::FenceReading> Remove(
      const std::string& digest, const std::vector<Flow>& flows) override;
  absl::Status Renew(
      const std::map<std::string, absl::Duration>& leases) override;
  absl::StatusOr<agent::FenceReading> Confirm(
      const std::string& digest, const std::vector<Flow>& flows) override;
  absl::StatusOr<agent::FenceReading> Read() override;

  // ── what happens to it ────────────────────────────────────────────────────
  // A new kernel: no fence, nothing remembered.
  void Boot();
  // Until it is OK again every call is refused with this and changes nothing.
  void FailWith(absl::Status status) {
    troubles_ += status.ok() ? 0 : 1;
    failure_ = std::move(status);
  }
  // As long as it is set, every change is taken, and another program has undone
  // it by the time that it is read back.
  void set_undone(bool undone) {
    troubles_ += undone ? 1 : 0;
    undone_ = undone;
  }
  // It takes no changes now, or none that stay.
  bool troubled() const { return undone_ || !failure_.ok(); }
  int troubles() const { return troubles_; }  // so far

  // Whether a packet passes. `from_client`: which end sent it; `syn`: it opens
  // a TCP session (UDP knows none). Remembers what passes.
  bool Passes(const Tuple& tuple, bool from_client, bool syn);

  // ── to look at ────────────────────────────────────────────────────────────
  // Each flow that a new session could use now, and the releases that lease
  // it, "" for one that stands.
  std::map<Flow, std::set<std::string>> OpenFlows() const;
  bool quarantined() const { return mode_ == agent::Mode::kQuarantined; }
  // Counts up with each change but renewals.
  uint64_t changes() const { return changes_; }
  // What is leased and what stands, guards run out or not.
  struct Held {
    absl::Duration until;  // of the boot clock
    std::set<Flow> flows;
  };
  const std::map<std::string, Held>& leased() const { return leased_; }
  const std::set<Flow>& standing() const { return standing_; }
  bool Keeps(const Flow& flow) const;  // management or vital

 private:
  void Forget(const std::vector<Flow>& flows);
  bool Admits(const Flow& flow) const;

  const std::function<absl::Duration()> boot_clock_;
  agent::MemoryFence fence_;
  absl::Status failure_;
  bool undone_ = false;
  int troubles_ = 0;
  uint64_t changes_ = 0;
  // The same as fence_ holds, to look at without reading it.
  agent::Mode mode_ = agent::Mode::kOpen;
  std::set<Flow> kept_;
  std::set<Flow> standing_;
  std::map<std::string, Held> leased_;
  struct Tracked {
    Flow original;  // client and server as the first packet had them
  };
  std::map<uint64_t, Tracked> tracked_;
};

}  // namespace sluice::simulation
