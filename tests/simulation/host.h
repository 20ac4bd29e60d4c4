// A machine with an agent: a boot clock of its own, a kernel, a small disk,
// and the real core in an agent process that can die at any step.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/core/agent_core.h"
#include "orchestrator/planner/plan.h"
#include "tests/simulation/agenda.h"
#include "tests/simulation/appliance.h"
#include "tests/simulation/kernel.h"
#include "tests/simulation/random.h"
#include "tests/toys/toy_signature.h"

namespace sluice::simulation {

class World;

// The file that an agent's state survives in.
struct StateDisk {
  std::string text;
  absl::Status failure;           // of the next saves
  uint64_t serial = 0;            // of the state in it
  bool behind = false;            // of what its agent knows: it was full
  std::deque<std::string> older;  // for a roll-back, oldest first
};

class Host {
 public:
  Host(World& world, const PlannedHost& planned, uint64_t seed);

  // ── life ──────────────────────────────────────────────────────────────────
  // The kernel is new; the agent starts. What people work is as it was.
  void Boot();
  void Reboot(absl::Duration down);
  void KillAgent();  // the kernel stays; a supervisor starts it again
  void StartAgent();
  // The disk as it was some saves ago, and a reboot.
  void RollBack(size_t saves);
  // The agent dies right before the `commands`-th command from now on.
  void CrashAfter(int commands) { crash_after_ = commands; }

  bool running() const { return core_ != nullptr; }
  bool powered() const { return powered_; }

  // Something happens to the agent; all that follows from it at once does.
  void Feed(agent::Event event);

  // ── to look at ────────────────────────────────────────────────────────────
  const HostId& id() const { return planned_.id; }
  const PlannedHost& planned() const { return planned_; }
  absl::Duration boot_clock() const;
  absl::Duration Lateness() const;  // of its checks, drawn by faults
  Kernel& kernel() { return kernel_; }
  const Kernel& kernel() const { return kernel_; }
  // People work it: no agent ever runs there, and its kernel is nobody's.
  bool by_hand() const { return !planned_.has_agent(); }
  // An agent elsewhere runs its driver, and dies with that host.
  bool driven() const { return planned_.grade == Grade::kDriven; }
  Appliance& appliance() { return appliance_; }
  const Appliance& appliance() const { return appliance_; }
  // What is true of whatever closes there, its kernel or an appliance.
  bool quarantined() const;
  std::map<Flow, std::set<std::string>> OpenFlows() const;
  StateDisk& disk() { return disk_; }
  const StateDisk& disk() const { return disk_; }
  const agent::AgentState* state() const {
    return core_ == nullptr ? nullptr : &core_->state();
  }
  const std::string& boot_id() const { return boot_id_; }
  // Its agent runs by the copy of a file that could not be read.
  bool suspended() const { return suspended_; }
  const std::vector<Flow>& management() const { return management_; }

  // Its disk writes nothing and does not answer, until it does.
  void HangDisk();
  void EndHang();
  // Counts processes; one that ended carries nothing out.
  uint64_t life() const { return life_; }

  // ── what faults turn ──────────────────────────────────────────────────────
  void SetRate(double rate);  // of its boot clock
  absl::Duration slow_checks;
  bool silent_checks = false;  // a worker that never ends
  // What its checks say, by id; the rest pass.
  std::map<CheckId, CheckResult> verdicts;
  bool rolled_back = false;
  // Its agent.yaml cannot be read: from its next start on its agent goes by
  // the copy of the last one. That names everybody here: what suspends them
  // is all that keeps it from believing them.
  bool file_damaged = false;

 private:
  void Do(const agent::ChangeFence& command);
  void Do(const agent::SaveState& command);
  void Do(const agent::StartChecks& command);
  void Do(const agent::StartTries& command);
  void Do(const agent::StartUnitNow& command);
  void Do(const agent::Send& command);
  void Do(const agent::HangUp& command);
  static void Do(const agent::TellRoot&) {}
  void Do(const agent::Note& command);
  void Later(absl::Duration wait, agent::Event event);
  void SetAlarm(absl::Duration deadline);
  Host* acting() const;
  std::vector<Host*> Driven() const;  // by this host's agent
  void StopDriven();
  uint64_t Changes() const;
  agent::Fence& Port();
  agent::FlowTried Try(const Flow& flow) const;

  World& world_;
  const testing::ToyVerifier verifier_;
  const PlannedHost planned_;
  Random random_;
  std::vector<Flow> management_;
  DriftingClock clock_;
  double rate_ = 1.0;
  Kernel kernel_;
  Appliance appliance_;
  std::unique_ptr<ApplianceDriver> driver_;
  std::unique_ptr<agent::CommandFence> driven_fence_;  // of one process
  StateDisk disk_;
  int disk_hangs_ = 0;
  std::vector<agent::SaveState> unanswered_;
  bool powered_ = false;
  int boots_ = 0;
  std::string boot_id_;
  std::unique_ptr<agent::AgentCore> core_;
  uint64_t life_ = 0;  // what belongs to an earlier process is void
  bool suspended_ = false;
  int crash_after_ = 0;
  std::deque<agent::Event> events_;
  bool busy_ = false;
  absl::Time alarm_ = absl::InfiniteFuture();
  absl::Duration deadline_ = absl::InfiniteDuration();
  uint64_t seen_changes_ = 0;
  std::map<Flow, std::set<std::string>> seen_open_;
};

}  // namespace sluice::simulation
