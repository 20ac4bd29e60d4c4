// What has happened: the only thing that changes an engine. Past facts.
//
// Every event is appended to the journal before its effects leave, and the
// state is the fold of all of them (S6, S7). What people ask for is admitted
// first (Engine::Admit) and is an event only then.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"
#include "common/ids.h"
#include "common/verdict.h"
#include "orchestrator/planner/plan.h"

namespace sluice::engine {

// "run:head/sequence/index": the run (or "-"), how the hash before the event
// begins, the event's sequence, the place of the command among that event's.
using OrderId = Name<struct OrderTag>;

// When, and after what, an event is appended.
struct Stamp {
  uint64_t sequence = 0;
  absl::Time at;
  std::string journal_head;  // digest of the record before this one
};

// ── what hosts say ──────────────────────────────────────────────────────────

// A host's kernel as its agent read it back.
struct FenceSeen {
  enum class Mode : uint8_t { kOpen, kQuarantined };
  struct Release {
    std::string digest;
    int leased_flows = 0;
    int standing_flows = 0;
    absl::Duration lease_remaining;  // zero: closed
    std::vector<GrantId> withdrawn;

    friend bool operator==(const Release&, const Release&) = default;
  };
  Mode mode = Mode::kOpen;
  uint64_t quarantine_number = 0;
  uint64_t state_serial = 0;
  std::vector<Release> releases;
  uint64_t dropped_packets = 0;
  std::string rules_digest;
  // Digests of the break-glass texts that hold it open now.
  std::vector<std::string> broken_glass;
  // The last IsolateHost::sensor_anew that it carried out; empty: none.
  std::string sensor_anew;

  friend bool operator==(const FenceSeen&, const FenceSeen&) = default;
};

struct AgentConnected {
  HostId host;
  std::string agent_version;
  std::string boot_id;
  uint64_t highest_epoch = 0;
  FenceSeen fence;
};
struct AgentLost {
  HostId host;
  std::string reason;
};

struct CheckReport {
  CheckId id;
  CheckResult result;
};
struct ChecksDone {
  std::vector<CheckReport> results;
};
struct EvidenceFrozen {
  std::string digest;
  std::string text;
  std::vector<CheckReport> results;
  std::string signature;  // by the host's own key; may be empty
};
struct ReleaseAnswered {
  bool accepts = false;
  std::string reason;
};
struct FlowsTried {
  struct Try {
    Flow flow;
    Verdict verdict = Verdict::kInconclusive;
    std::string reason;
  };
  std::vector<Try> tries;
};

enum class Outcome : uint8_t { kDone, kRefused, kFailed };

// An agent's answer to an order; a repeated or late one changes nothing.
struct OrderReported {
  OrderId order;
  HostId host;
  Outcome outcome = Outcome::kDone;
  std::string reason;
  std::optional<FenceSeen> fence;
  std::variant<std::monostate, ChecksDone, EvidenceFrozen, ReleaseAnswered,
               FlowsTried>
      detail;
};

struct WatchChanged {
  HostId host;
  StepId step;
  CheckReport report;
};
struct LeaseLost {
  HostId host;
  std::string release_digest;
};
struct FenceChanged {
  HostId host;
  std::string reason;
  FenceSeen fence;
};

// Root opened the host with the break-glass key that its own file pins; the
// host judged text and signature (common/break_glass.h). `over`: an isolation
// has ended it since.
struct GlassBroken {
  HostId host;
  std::string text;
  std::string signature;  // armoured
  bool over = false;
  FenceSeen fence;
};

// ── what people do ──────────────────────────────────────────────────────────

struct RunStarted {
  RunId run;
  OperatorId by;
};
struct DecisionMade {
  StageId gate;
  int round = 0;
  OperatorId by;
  std::vector<RoleId> roles;
  bool go = false;
  std::string reason;
  std::string body_digest;
  std::string signature;  // armoured SSH signature
  // What was signed, kept so that anybody can verify it later; shared, because
  // every order that opens flows carries its decisions.
  std::shared_ptr<const std::string> text;
};
struct TaskSigned {
  TaskId task;
  OperatorId by;
  std::vector<RoleId> roles;
  std::string note;
  std::string attachment_digest;
  std::string signature;                    // armoured SSH signature
  std::shared_ptr<const std::string> text;  // what was signed
};
// A person's word on what they were asked to do at a manual point, in the place
// of an agent's answer to `order`.
struct PointReported {
  HostId host;
  TaskId task;
  OrderId order;
  OperatorId by;
  std::vector<RoleId> roles;
  bool done = false;                        // otherwise the point is as it was
  std::string saw;                          // or why it could not be done
  std::string signature;                    // armoured SSH signature
  std::shared_ptr<const std::string> text;  // what was signed
};
struct IsolationOrdered {
  enum class Scope : uint8_t { kAll, kRun, kSystem, kHost };
  Scope scope = Scope::kAll;
  SystemId system;
  HostId host;
  OperatorId by;
  std::string reason;
  std::string confirmation;  // typed, for a protected system
  // The host's sensor begins anew; of a host alone, by somebody with `roles`.
  bool sensor_anew = false;
  std::vector<RoleId> roles = {};
};
// Empty `steps`: all that failed or never started.
struct RetryAsked {
  std::vector<StepId> steps;
  OperatorId by;
};
// Goes on without a check that does not pass, until a time. Empty `check`: all
// of the step's that do not pass now.
struct WaiverGiven {
  StepId step;
  CheckId check;
  OperatorId by;
  std::vector<RoleId> roles;
  std::string reason;
  absl::Time until;
  std::string signature;  // armoured SSH signature
  std::shared_ptr<const std::string> text;  // what was signed
};
// A rotation or a delegation (common/rotation.h, delegation.h) and the armoured
// signatures over it, handed in by `by`.
struct TrustChanged {
  OperatorId by;
  std::string text;
  std::vector<std::string> signatures;
};
struct RunPaused {
  OperatorId by;
};
struct RunResumed {
  OperatorId by;
};
struct RunEnded {
  OperatorId by;
  std::string reason;
};

// ── who may speak ───────────────────────────────────────────────────────────

// A host was given or lost its key, or an operator came or went. Keys are
// "sha256:…" of the public key for hosts, an OpenSSH fingerprint ("SHA256:…")
// for people.
struct IdentityChanged {
  enum class What : uint8_t {
    kTokenMade,  // `by`, for `host`, until `until`
    kEnrolled,   // `host` with `key`; `token` is empty when the authority
                 // itself signed its certificate
    kRenewed,    // `host`: a new certificate for the same `key`
    kRevoked,    // `by`: `host` with whatever it has, or one `key`
    kLoggedIn,   // `by` with `key`: `text` was signed
    kLoggedOut,  // `by`
  };
  What what = What::kTokenMade;
  HostId host;
  OperatorId by;
  std::string key;
  std::string evidence_key;  // an OpenSSH line
  std::string token;         // "sha256:…" of its secret
  absl::Time until = absl::UnixEpoch();
  std::string reason;
  std::string text;
  std::string signature;  // armoured
};

// Who was refused at the door. One address's refusals of a minute are one
// record, and those of too many addresses are one together
// (runtime/refusals.h): strangers fill no disk.
struct AccessRefused {
  std::string address;     // "10.77.0.66"; empty: of `addresses` others
  uint64_t addresses = 1;  // at least; 0: nobody can say whose
  uint64_t logins = 0;
  uint64_t tokens = 0;  // enrolments
  uint64_t calls = 0;
  std::string last;  // why the last of them was refused
};

// ── what the program does ───────────────────────────────────────────────────

// An orchestrator process took the estate over.
struct ReignBegan {
  uint64_t epoch = 0;
  std::string instance;
};
// The journal keeps the sources and the digest; reading it back makes the same
// plan again or stops clearly.
struct PlanAdopted {
  int number = 0;
  std::shared_ptr<const Plan> plan;
  std::string sources;  // ManifestSources, encoded by the journal room
  OperatorId by;        // empty: the orchestrator, at start
};
// The clock reached the deadline that Step() asked for.
struct TimePassed {};

using Event =
    std::variant<ReignBegan, PlanAdopted, RunStarted, AgentConnected, AgentLost,
                 OrderReported, WatchChanged, LeaseLost, FenceChanged,
                 DecisionMade, TaskSigned, IsolationOrdered, RetryAsked,
                 WaiverGiven, RunPaused, RunResumed, RunEnded, TimePassed,
                 IdentityChanged, TrustChanged, AccessRefused, GlassBroken,
                 PointReported>;

}  // namespace sluice::engine
