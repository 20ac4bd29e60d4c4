// A host without a kernel, a disk or a clock: carries out what a core asks
// with the twins, and keeps what it said.

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agents/core/agent_core.h"
#include "agents/host/state_store.h"
#include "agents/isolation/memory_fence.h"
#include "common/contract.h"
#include "common/digest.h"
#include "tests/toys/toy_signature.h"

namespace sluice::agent {

inline Flow F(absl::string_view line) { return *Flow::Parse(line); }

// Who may release what on the hosts of these tests.
inline Trust TestTrust() {
  static const testing::ToyVerifier verifier;
  return {
      .approvers = {{OperatorId("duty-commander"),
                     {RoleId("incident-commander")},
                     "key-of-duty-commander"},
                    {OperatorId("billing-owner"),
                     {RoleId("system-owner")},
                     "key-of-billing-owner"}},
      .quorum = {{RoleId("incident-commander"), 1}},
      .verifier = &verifier,
  };
}

inline Decision SignedGo(const std::string& by, const std::string& body) {
  return {OperatorId(by),
          {},
          Sha256(body),
          testing::ToySign("key-of-" + by, signed_as::kDecision, body)};
}

// A fence that can be told to fail, and remembers the calls that change it.
class FailingFence : public Fence {
 public:
  explicit FailingFence(Fence* fence) : fence_(fence) {}

  absl::StatusOr<FenceReading> Replace(const FenceRules& rules) override {
    calls.push_back("replace");
    if (!failure.ok()) return failure;
    if (undone) return fence_->Read();
    return fence_->Replace(rules);
  }
  absl::StatusOr<FenceReading> Open(const std::string& digest,
                                    absl::Duration lease,
                                    const std::vector<Flow>& flows) override {
    calls.push_back(absl::StrCat("open ", flows.size()));
    if (!failure.ok()) return failure;
    return fence_->Open(digest, lease, flows);
  }
  absl::StatusOr<FenceReading> Remove(const std::string& digest,
                                      const std::vector<Flow>& flows) override {
    calls.push_back(absl::StrCat("remove ", flows.size()));
    if (!failure.ok()) return failure;
    return fence_->Remove(digest, flows);
  }
  absl::Status Renew(
      const std::map<std::string, absl::Duration>& leases) override {
    if (!failure.ok()) return failure;
    return fence_->Renew(leases);
  }
  absl::StatusOr<FenceReading> Confirm(
      const std::string& digest, const std::vector<Flow>& flows) override {
    calls.push_back(absl::StrCat("confirm ", flows.size()));
    if (!failure.ok()) return failure;
    return fence_->Confirm(digest, flows);
  }
  absl::StatusOr<FenceReading> Read() override {
    ++reads;
    if (!failure.ok() && !readable) return failure;
    return fence_->Read();
  }

  absl::Status failure;
  bool readable = false;  // all the same
  // What is put up is taken, and is gone again by the time it is read.
  bool undone = false;
  std::vector<std::string> calls;
  int reads = 0;

 private:
  Fence* fence_;
};

class BenchHost {
 public:
  BenchHost() { MakeCore(); }

  // A kernel, a disk and a clock outlive the process.
  void StartAgent(std::string boot_id = "boot-1") {
    MakeCore();
    Started started;
    const absl::StatusOr<std::string> text = store.Load();
    if (text.ok()) {
      absl::StatusOr<AgentState> state = AgentState::Decode(*text);
      if (state.ok()) {
        started.file = Started::File::kRead;
        started.state = *std::move(state);
      } else {
        started.file = Started::File::kCorrupt;
        started.problem = std::string(state.status().message());
      }
    } else {
      started.file = Started::File::kMissing;
    }
    started.boot_id = std::move(boot_id);
    started.fresh_number = 1'795'000'000;
    started.audit_every = audit_every;
    Feed(std::move(started));
  }

  void Connect(uint64_t epoch = 1, const std::string& instance = "one",
               const std::string& estate = "city-utility") {
    Feed(LinkConnected{});
    Feed(LinkWelcomed{epoch, instance, estate});
  }

  void Feed(Event event) {
    events_.push_back(std::move(event));
    while (!events_.empty()) {
      const Event next = std::move(events_.front());
      events_.pop_front();
      AgentCore::Output output = core_->Step(next, now);
      deadline = output.next_deadline;
      for (const Command& command : output.commands) {
        std::visit([this](const auto& what) { Do(what); }, command);
      }
    }
  }

  // Lets time pass, stopping at each deadline on the way.
  void Pass(absl::Duration time) {
    const absl::Duration end = now + time;
    while (deadline <= end) {
      now = std::max(now, deadline);
      Feed(TimePassed{});
    }
    now = end;
    Feed(TimePassed{});
  }

  // As Pass(), with the orchestrator renewing every second.
  void PassRenewing(absl::Duration time, const std::string& digest,
                    uint64_t epoch = 1) {
    for (absl::Duration passed; passed < time; passed += absl::Seconds(1)) {
      Pass(absl::Seconds(1));
      Feed(RenewalReceived{epoch, {digest}, 1});
    }
  }

  // The report on an order given now, in epoch `epoch`.
  template <class What>
  Report Give(const std::string& id, What what, uint64_t epoch = 1) {
    said.clear();
    Order(id, std::move(what), epoch);
    return Last<Report>();
  }

  // The disk answers again, all that waited for it in order.
  void EndHang() {
    disk_hangs = false;
    for (const SaveState& save : std::exchange(held_saves_, {})) {
      Feed(StateSaved{save.request, store.Save(save.state.Encode())});
    }
  }
  // What waits for the disk is on it, and nobody hears of that.
  void WriteHeldSaves() {
    for (const SaveState& save : std::exchange(held_saves_, {})) {
      SLUICE_CHECK(store.Save(save.state.Encode()).ok());
    }
  }
  // An order given now that may be answered later.
  template <class What>
  void Order(const std::string& id, What what, uint64_t epoch = 1) {
    agent::Order order;
    order.id = OrderId(id);
    order.epoch = epoch;
    order.what = std::move(what);
    Feed(OrderReceived{std::move(order)});
  }

  template <class T>
  std::vector<T> All() const {
    std::vector<T> all;
    for (const Message& message : said) {
      if (const T* one = std::get_if<T>(&message)) all.push_back(*one);
    }
    return all;
  }

  template <class T>
  T Last() const {
    const std::vector<T> all = All<T>();
    SLUICE_CHECK(!all.empty());
    return all.back();
  }

  const AgentState& state() const { return core_->state(); }
  MemoryFence& memory() { return memory_; }
  const std::string& fence_problem() const { return core_->fence_problem(); }
  bool Passes(absl::string_view line) const { return memory_.Admits(F(line)); }

  absl::Duration now = absl::Seconds(100);
  absl::Duration audit_every = Started().audit_every;
  absl::Duration deadline = absl::InfiniteDuration();
  Trust trust = TestTrust();  // as agent.yaml has it at the next start
  MemoryStateStore store;
  std::vector<Message> said;
  std::vector<std::string> hung_up;
  std::vector<TellRoot> told;
  std::string break_glass;  // the key that agent.yaml pins, at the next start
  int checks_run = 0;
  int units_started = 0;
  int saves = 0;
  bool hold_checks = false;
  bool disk_hangs = false;
  std::vector<StartChecks> held;
  SensorNotes notes;  // beside what the fence counts
  std::function<CheckResult(const NamedCheck&)> check = [](const NamedCheck&) {
    return CheckResult{Verdict::kPass, "no sign found", ""};
  };

  // What a StartChecks is answered with.
  ChecksFinished Answer(const StartChecks& checks) {
    ChecksFinished finished{checks.request, {}};
    for (const NamedCheck& one : checks.checks) {
      finished.results.push_back({one.id, check(one)});
    }
    return finished;
  }

 private:
  void MakeCore() {
    core_ = std::make_unique<AgentCore>(CoreOptions{
        .estate = EstateId("city-utility"),
        .host = HostId("app-1"),
        .version = "test",
        .management = {F("tcp 10.77.0.21 10.77.0.1 7443")},
        .vital = {F("tcp 10.77.0.21 10.77.0.3 3260")},
        .units = {"engine.service"},
        .break_glass = break_glass,
        .trust = trust,
        .evidence_signer = &signer_,
    });
    events_.clear();
    deadline = absl::InfiniteDuration();
  }

  void Do(const ChangeFence& change) {
    FenceDone done{.request = change.request};
    absl::StatusOr<FenceReading> reading = FenceReading();
    if (const auto* call = std::get_if<fence::Replace>(&change.call)) {
      reading = fence.Replace(call->rules);
    } else if (const auto* open = std::get_if<fence::Open>(&change.call)) {
      reading = fence.Open(open->digest, open->lease, open->flows);
    } else if (const auto* take = std::get_if<fence::Remove>(&change.call)) {
      reading = fence.Remove(take->digest, take->flows);
    } else if (const auto* renew = std::get_if<fence::Renew>(&change.call)) {
      done.status = fence.Renew(renew->leases);
    } else if (const auto* keep = std::get_if<fence::Confirm>(&change.call)) {
      reading = fence.Confirm(keep->digest, keep->flows);
    } else {
      reading = fence.Read();
    }
    if (reading.ok()) {
      done.reading = *std::move(reading);
    } else {
      done.status = reading.status();
    }
    if (change.notes) done.notes = notes;
    events_.push_back(std::move(done));
  }
  void Do(const SaveState& save) {
    ++saves;
    if (disk_hangs) {
      held_saves_.push_back(save);
      return;
    }
    events_.push_back(
        StateSaved{save.request, store.Save(save.state.Encode())});
  }
  void Do(const StartChecks& checks) {
    ++checks_run;
    if (hold_checks) {
      held.push_back(checks);
    } else {
      events_.push_back(Answer(checks));
    }
  }
  void Do(const StartTries& tries) {
    TriesFinished finished{tries.request, {}};
    for (const Flow& flow : tries.flows) {
      finished.tries.push_back({flow, Verdict::kPass, ""});
    }
    events_.push_back(std::move(finished));
  }
  void Do(const StartUnitNow& start) {
    ++units_started;
    events_.push_back(UnitStarted{start.request, absl::OkStatus()});
  }
  void Do(const Send& send) { said.push_back(send.message); }
  void Do(const HangUp& hang_up) { hung_up.push_back(hang_up.reason); }
  void Do(const TellRoot& tell) { told.push_back(tell); }
  void Do(const Note&) {}

  testing::ToySigner signer_{"host-key"};
  MemoryFence memory_{[this] { return absl::UnixEpoch() + now; }};

 public:
  FailingFence fence{&memory_};

 private:
  std::unique_ptr<AgentCore> core_;
  std::deque<Event> events_;
  std::vector<SaveState> held_saves_;
};

inline constexpr char kWebFlow[] = "tcp 10.77.0.31 10.77.0.21 8080";
inline constexpr char kDbFlow[] = "tcp 10.77.0.21 10.77.0.11 5432";

inline NamedCheck Inspection(const std::string& id) {
  return {CheckId(id), {.kind = "listeners", .args = {{"ports", "8080/tcp"}}}};
}

// An isolated host with an accepted release order of two grants:
// "portal>engine:web" (kWebFlow) and "engine>db:postgres" (kDbFlow).
class ReleasedHost : public BenchHost {
 public:
  explicit ReleasedHost(int64_t lease = 60, int64_t soak = 30,
                        int64_t valid = 1800, Trust pinned = TestTrust())
      : lease_(lease), soak_(soak), valid_(valid) {
    trust = std::move(pinned);
    StartAgent();
    Connect();
    SLUICE_CHECK(Give("r/1/0", IsolateHost{"drill"}).outcome == Outcome::kDone);
    Freeze("r/2/0", "apps/1");
    body = Body("apps/1");
    digest = Sha256(body);
    SLUICE_CHECK(Give("r/3/0", Proposal("apps/1")).outcome == Outcome::kDone);
  }

  void Freeze(const std::string& id, const std::string& round) {
    const Report report =
        Give(id, FreezeEvidence{round, {Inspection("engine/inspect-1")}});
    SLUICE_CHECK(report.outcome == Outcome::kDone);
    evidence = std::get<EvidenceFrozen>(report.detail).digest;
  }

  ReleaseOrder MakeOrder() const {
    ReleaseOrder order;
    order.estate = EstateId("city-utility");
    order.run = RunId("2026-11-21-1");
    order.plan_digest = Sha256("plan");
    order.stage = StageId("apps");
    order.stage_digest = Sha256("stage");
    order.round = 1;
    order.started_by = OperatorId("duty-commander");
    order.quorum = {{RoleId("incident-commander"), 1},
                    {RoleId("system-owner"), 1}};
    order.journal_head = Sha256("journal");
    order.valid_seconds = valid_;
    order.steps = {StepId("engine")};
    order.hosts = {{.id = HostId("app-1"),
                    .quarantine_number = state().quarantine_number,
                    .evidence_digest = evidence,
                    .flows_digest = FlowsDigest({F(kWebFlow), F(kDbFlow)}),
                    .lease_seconds = lease_,
                    .soak_seconds = soak_}};
    return order;
  }

  std::string Body(const std::string&) const { return MakeOrder().Body(); }

  Propose Proposal(const std::string& round) const {
    return {.body = Body(round),
            .grants = {{GrantId("portal>engine:web"), {F(kWebFlow)}},
                       {GrantId("engine>db:postgres"), {F(kDbFlow)}}},
            .round = round};
  }

  std::vector<Decision> Decisions() const {
    return {SignedGo("duty-commander", body), SignedGo("billing-owner", body)};
  }

  OpenFlows Opening() const {
    return {digest,
            {GrantId("portal>engine:web"), GrantId("engine>db:postgres")},
            Decisions()};
  }

  Confirm Confirmation() const {
    return {digest,
            {GrantId("portal>engine:web"), GrantId("engine>db:postgres")},
            StepId("engine")};
  }

  Watch Watching() const {
    return {
        StepId("engine"), {Inspection("engine/health-1")}, absl::Seconds(5)};
  }

  std::string evidence;
  std::string body;
  std::string digest;

 private:
  int64_t lease_;
  int64_t soak_;
  int64_t valid_;
};

}  // namespace sluice::agent
