// The agent's mind: events in, commands and the next deadline out.
//
// Owns what this host promises: the fence says what the state says, nothing
// opens but under a release order this host accepted (S2), what opened closes
// unless renewed (S3), what is old is refused (S8), and what is acknowledged
// is on disk and was read back from the kernel first (S5, S6, S9). When in
// doubt it refuses, and when the fence cannot be trusted it is put up anew.
//
// Pure: no clock, no file, no socket, no thread. `now` is the time since the
// host booted, suspended time included (CLOCK_BOOTTIME); it never goes back.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agents/core/authority.h"
#include "agents/core/command.h"
#include "agents/core/event.h"
#include "agents/core/state.h"

namespace sluice::agent {

// What the host's own file says.
struct CoreOptions {
  EstateId estate;
  HostId host;
  std::string version;
  std::vector<Flow> management;
  std::vector<Flow> vital;
  std::set<std::string> units;  // that may be started
  // What else may run here: "plugin check_pgsql", "yara webshells",
  // "baseline cron".
  std::set<std::string> may_run = {};
  std::string break_glass;  // a key, as in authorized_keys; empty: none
  Trust trust;              // who may release what here (S2)
  // Signs this host's evidence, so that people need not believe who relays it.
  // Not owned; without one the evidence is unsigned.
  const Signer* evidence_signer = nullptr;
  // Whose agent acts for this host by a driver; empty: this is the host's own,
  // and its kernel is the fence.
  HostId driven_by = {};
};

class AgentCore {
 public:
  struct Output {
    std::vector<Command> commands;  // to be carried out in order
    absl::Duration next_deadline = absl::InfiniteDuration();
  };

  explicit AgentCore(CoreOptions options);

  // REQUIRES: the first event is Started, and no later one is.
  Output Step(const Event& event, absl::Duration now);

  const AgentState& state() const { return state_; }
  // Why the kernel is not known to hold what the state says, in words; empty
  // once it was read back and does (S9).
  const std::string& fence_problem() const { return fence_problem_; }

 private:
  // What the answer awaited is about, while the sensor begins anew.
  enum class SensorStep : uint8_t {
    kNone,   // it goes on, or is done
    kFence,  // closed, the sensor as it was
    kSave,   // what it held is written down
    kLook,   // what it holds beside that
    kEmpty,  // it is empty
  };

  // An order that changes the fence or the state. One at a time; the others
  // wait, isolation ahead of all (S5).
  struct Job {
    enum class Kind : uint8_t {
      kIsolate,
      kWithdraw,
      kOpen,
      kConfirm,
      kGlass,
      kRecord,
    };
    Kind kind = Kind::kRecord;
    Report report;
    std::vector<fence::Call> calls;  // in order; the last reading is reported
    size_t next_call = 0;
    bool save_first = false;   // what closes is written down before
    bool save_last = false;    // what opens is written down after
    bool keep_answer = false;  // across restarts of the agent
    bool failed = false;       // the kernel did not take one of its calls
    bool saving = false;       // it waits for the disk
    absl::Duration saving_since;
    std::string digest;
    std::vector<GrantId> grants;
    std::vector<Flow> gone;  // kWithdraw: must not be there any more
    BrokenGlass glass;       // kGlass
    // kIsolate: the sensor begins anew once the fence is up and what it holds
    // is on disk.
    SensorStep sensor = SensorStep::kNone;
    SensorPast::Begun begins;
    std::shared_ptr<const SensorPast> past_before;
    absl::Duration began;
    uint64_t request = 0;  // of the command it waits for
    FenceReading reading;
  };

  enum class Purpose : uint8_t {
    kJob,
    kStart,
    kHello,
    kAnswer,
    kRenew,
    kLease,
    kSweep,
    kAudit,
    kRepair,
    kGlass,
  };

  struct Watching {
    std::vector<NamedCheck> checks;
    absl::Duration every;
    absl::Duration next;
    uint64_t running = 0;  // request; 0: none
    absl::Duration answered;  // when the last of them came
    std::map<CheckId, CheckResult> last;
  };

  // A long order in the hands of a worker.
  struct Pending {
    Order order;
    uint64_t quarantine_number = 0;  // when it began
  };

  // agent_core.cc: life, link, clock.
  void On(const Started& event);
  void On(const LinkConnected& event);
  void On(const LinkWelcomed& event);
  void On(const LinkDown& event);
  void On(const RenewalReceived& event);
  void On(const IsolatedLocally& event);
  void On(const TableTouched& event);
  void On(const StateSaved& event);
  void On(const TimePassed& event);
  void RunDue();
  absl::Duration NextDeadline() const;
  void Quarantine(const std::string& reason, uint64_t number);
  bool NeedsGuard(const KnownRelease& release) const;
  absl::Duration LeaseNow(const KnownRelease& release) const;
  uint64_t Save();
  void SendMessage(Message message);
  void Say(std::string text);
  // "the kernel", or what is in its place.
  std::string Holder() const;

  // sensor_anew.cc: a person had the sensor begin anew.
  void BeginSensor(const IsolateHost& what, Job& job) const;
  void OnSensorRead(const FenceDone& event);
  void OnPastSaved(const absl::Status& status);
  void KeepSensor(const std::string& why);

  // fence_calls.cc: the fence's answers.
  void On(const FenceDone& event);
  uint64_t Call(fence::Call call, Purpose purpose, bool notes = false);
  void JudgeReading(const FenceDone& event, Purpose purpose);
  void OnStartReading(const FenceDone& event);
  void OnLeaseReading(const FenceReading& reading);
  void OnAuditReading(const FenceReading& reading);
  void SayAlarm(const FenceReading& reading);
  void LoseLease(const std::string& digest, KnownRelease& release,
                 const FenceReading::Leased* leased);
  void Repair(const std::string& why);
  FenceRules RulesWithoutLeases() const;
  std::string Difference(const FenceReading& reading) const;
  std::string LeaseDifference(const FenceReading& reading) const;
  FenceState StateOf(const FenceReading& reading) const;

  // orders.cc: what each order means.
  void On(const OrderReceived& event);
  void On(const ChecksFinished& event);
  void On(const TriesFinished& event);
  void On(const UnitStarted& event);
  absl::Status CheckEpoch(const Order& order) const;
  void Carry(const Order& order, const IsolateHost& what);
  void Carry(const Order& order, const Withdraw& what);
  void Carry(const Order& order, const FreezeEvidence& what);
  void Carry(const Order& order, const Propose& what);
  void Carry(const Order& order, const OpenFlows& what);
  void Carry(const Order& order, const TryFlows& what);
  void Carry(const Order& order, const RunChecks& what);
  void Carry(const Order& order, const StartUnit& what);
  void Carry(const Order& order, const Watch& what);
  void Carry(const Order& order, const Confirm& what);
  void Carry(const Order& order, const ReadFence& what);
  void Carry(const Order& order, const ChangeTrust& what);
  void Carry(const Order& order, const Unreadable& what);
  void ShutPeers(const std::vector<Prefix>& peers);
  void PlanWithdrawal(
      const std::vector<Flow>& was_standing,
      const std::map<std::string, std::vector<Flow>>& was_leased,
      Job& job) const;
  void StartPending(const Order& order);
  absl::Status CheckWatch(const StepId& step) const;
  std::string WouldRefuse(const std::vector<std::string>& asks) const;
  void OnWatchResults(const StepId& step, Watching& watching,
                      const std::vector<NamedResult>& results);
  void OnFrozen(const Pending& pending, const FreezeEvidence& what,
                std::vector<NamedResult> results);

  // glass.cc: opened by root, with the key that the host's own file pins.
  void On(const ReleasedLocally& event);
  void Carry(const Order& order, const GlassNoted& what);
  void OnGlassBroken();
  void TellOfGlass(const Job& job);
  void SayGlass();
  void EndGlass();

  // jobs.cc: one change at a time.
  void StartNext();
  void Begin(Job job);
  void Advance();
  void SaveJob();
  void OvertakeTheDisk();
  absl::Duration DiskDeadline() const;
  void OnJobSaved(const absl::Status& status);
  void OnJobFence(const FenceDone& event);
  void OnFenced();
  void OnOpened();
  void OnConfirmed();
  void Fail(std::string why);
  void SweepUnopened(const std::string& digest,
                     const std::vector<GrantId>& grants);
  void Keep();
  void Finish();
  void Answer(Report report);
  void Refuse(const OrderId& order, absl::string_view reason);
  void Deliver(Report report);

  CoreOptions options_;
  AgentState state_;
  absl::Duration now_;
  bool started_ = false;
  uint64_t fresh_number_ = 0;
  bool looks_first_ = false;  // at the kernel, before the fence is put up
  uint64_t last_request_ = 0;
  std::vector<Command> out_;

  // The link.
  bool connected_ = false;
  bool welcomed_ = false;
  uint64_t link_epoch_ = 0;
  std::string stale_;       // why this orchestrator is not obeyed; empty: it is
  bool contested_ = false;  // another claimed the epoch of the one we obey

  // A shorter lease is not worth a timer, and no timer at all is for ever.
  static constexpr absl::Duration kShortestLease = absl::Seconds(1);

  // Orders.
  std::deque<Order> waiting_;  // jobs to be
  // When those of them that open came: no lease counts from later (S3).
  std::map<OrderId, absl::Duration> heard_;
  std::deque<Job> ready_;      // jobs whose work is done, to be written down
  std::optional<Job> job_;
  std::vector<Report> overtaken_;  // answered with the isolation that did it
  std::set<OrderId> in_hand_;      // taken and not answered yet
  std::map<uint64_t, Pending> pending_;
  std::deque<Report> answers_;  // oldest first, bounded
  std::vector<Report> waiting_for_reading_;
  std::map<StepId, Watching> watches_;

  // The fence.
  std::map<uint64_t, Purpose> calls_;  // under way
  uint64_t last_change_ = 0;           // the latest request that changes it
  std::string expected_digest_;
  std::string fence_problem_ = "the kernel was not asked yet";
  bool unread_ = false;    // an open host whose kernel could not be read yet
  std::string alarm_;      // a FenceChanged not said yet
  std::string suspended_;  // Trust::suspended, when it was not said yet
  std::string hand_;       // that touched the table and was not dealt with yet
  absl::Duration audit_every_;
  absl::Duration looked_at_ = -absl::InfiniteDuration();  // the last audit
  absl::Duration audit_at_ = absl::InfiniteDuration();
  absl::Duration repair_at_ = absl::InfiniteDuration();
  absl::Duration leases_at_;  // not looked at before: the kernel said nothing
  absl::Duration save_at_ = absl::InfiniteDuration();
};

}  // namespace sluice::agent
