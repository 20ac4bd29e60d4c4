// The engine: events in, commands out. A value without clock, thread, file or
// network; the runtime and the simulator drive the same one.
//
//   quarantined → inspecting → ready → (gate: go) → connecting → probing
//     → soaking → (accepting) → reconnected;  from anywhere → isolating
//
// It keeps S1, S5, S8, S9, S10, L1 and L2 on the orchestrator's side; agents
// keep S2, S3, S4 and S8 on theirs and believe nothing said here.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/engine/command.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/engine/identities.h"
#include "orchestrator/engine/view.h"

namespace sluice::engine {

// How a step's work went: what a forecast learns from.
struct Progress {
  enum class What : uint8_t {
    kBegun,    // connecting
    kHealthy,  // connected and probed
    kStopped,  // neither: withdrawn, failed, or a person is waited for
  };
  StepId step;
  What what = What::kBegun;
};

// A gate that people released, and how long they were asked.
struct GateReleased {
  StageId gate;
  absl::Duration asked;
};

struct Output {
  std::vector<Command> commands;
  // Beside the commands, since nobody acts on them: an order's id counts the
  // commands before it, and a journal's orders must keep their ids (S7).
  std::vector<Progress> progress;
  std::vector<GateReleased> released;
  // When to call Step(TimePassed) at the latest, if nothing else happens.
  std::optional<absl::Time> next_deadline;
};

class Engine {
 public:
  Engine();
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  // Whether what a person asks for can be done now. FailedPrecondition,
  // NotFound, PermissionDenied or InvalidArgument, in a sentence that says
  // what to do instead. Events from hosts and from the program are always OK.
  absl::Status Admit(const Event& event, absl::Time now) const;

  // Applies a fact. Total: an event that no longer fits (late, repeated, about
  // a host or order nobody knows) changes nothing. REQUIRES: stamps increase.
  Output Step(const Stamp& stamp, const Event& event);

  // The release orders whose leases a host's heartbeat renews now, sorted.
  std::vector<std::string> LiveReleases(const HostId& host,
                                        absl::Time now) const;

  // Orders sent to a host and not answered, in order. AgentConnected makes
  // Step() send them again by itself.
  std::vector<Order> Outstanding(const HostId& host) const;

  // Whether `order` was sent to `host` and is not answered: a report on any
  // other order changes nothing.
  bool Awaits(const HostId& host, const OrderId& order) const;

  // Hosts that an isolation ordered at or after `sequence` still waits for.
  struct IsolationProgress {
    int hosts = 0;
    int read_back = 0;
    std::vector<HostId> waiting_for;
    std::vector<HostId> unreachable;
    // Manual points: a person said so, which is less than a reading back; and
    // those where nobody has said so yet.
    int said = 0;
    std::vector<HostId> by_hand;
    // Isolated, but their sensors go on although they were to begin anew.
    std::vector<HostId> sensor_kept;
  };
  IsolationProgress IsolationSince(uint64_t sequence) const;

  uint64_t epoch() const;
  const Identities& identities() const;
  // The plan in force; nullptr before the first PlanAdopted.
  std::shared_ptr<const Plan> plan() const;
  int plan_number() const;  // 0: none
  bool run_active() const;

  View MakeView(absl::Time now) const;
  // NotFound when no gate has this name.
  absl::StatusOr<GateDetail> MakeGateDetail(const StageId& gate,
                                            absl::Time now) const;

  // What putting `plan` in force would do now. Without a run nothing but the
  // plan changes. Refuses what Admit() would refuse.
  absl::StatusOr<ReplanView> PreviewPlan(std::shared_ptr<const Plan> plan,
                                         const OperatorId& by,
                                         absl::Time now) const;

  // A digest of the whole state: equal after replaying the same journal (S7).
  std::string StateDigest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::engine
