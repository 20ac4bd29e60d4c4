// What the engine says of itself, for people: plain values, sorted by name
// (gates in the plan's order). The rpc room turns them into messages.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"
#include "common/ids.h"
#include "orchestrator/engine/event.h"

namespace sluice::engine {

// What something waits for, and for whom (L2).
struct Wait {
  // "gate", "task", "need", "check", "host", "soak", "person"
  std::string kind;
  // The name of something there is: a "gate", "task", "step", "host" or
  // "check"; of the "run", "run".
  std::string on_kind;
  std::string on;
  std::string who;   // roles or names, when people are waited for
  std::string text;  // the sentence, without its subject
  absl::Time since = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();  // ends by itself, or holds then
  std::string next;  // the command that helps; empty: none is needed
};

struct StepView {
  StepId id;
  // "open", "quarantined", "inspecting", "ready", "connecting", "probing",
  // "soaking", "accepting", "reconnected", "isolating", "unknown"
  std::string state;
  absl::Time since;
  absl::Time state_ends = absl::InfinitePast();  // of a soak
  std::string reason;
  bool failed = false;
  bool partial = false;
  std::vector<Wait> waits;
  std::vector<std::string> notes;
  std::vector<CheckReport> checks;
  absl::Time eta_low = absl::InfiniteFuture();
  absl::Time eta_high = absl::InfiniteFuture();
};

// A flow as a person reads it: hosts and externals by name.
struct PointFlow {
  std::string from;
  std::string to;
  Flow flow;
};

// What a person is asked to do at a manual point, in the place of an order.
struct PointTaskView {
  TaskId id;  // "plc-1/open-4"
  HostId host;
  OrderId order;
  std::string verb;  // "isolate", "close", "open", "start"
  std::string what;  // in words
  std::string instructions;
  RoleId owner;  // empty: any approver
  std::vector<PointFlow> flows;
  std::string release;  // digest of the release order it opens under
  std::string reason;
  absl::Time since;
};

// A person had the sensor begin anew.
struct SensorAnewView {
  OperatorId by;  // empty: this record does not say who ordered it
  absl::Time at;
  std::string reason;
  bool done = false;  // the host said that it did
};

struct HostView {
  HostId id;
  std::string link;   // "connected", "lost", "never"; "manual": no agent
  std::string fence;  // "open", "quarantined", "unknown"
  absl::Time since;
  uint64_t quarantine_number = 0;
  int leased_flows = 0;
  int standing_flows = 0;
  uint64_t dropped_packets = 0;
  std::string agent_version;
  std::string text;
  std::string trust;  // its answer to the last change of whom it believes
  std::string broken_glass;  // what its root opened by it, and why
  std::string said;  // of a manual point: by whom, and that nobody measured it
  std::optional<SensorAnewView> sensor_anew = std::nullopt;  // the last time
};

struct VoteView {
  OperatorId by;
  std::vector<RoleId> roles;
  bool go = false;
  std::string reason;
  absl::Time at;
  std::vector<OperatorId> stands_in_for;
};

struct GateView {
  StageId id;
  int round = 0;
  // "waiting", "inspecting", "asking", "released", "refused", "held", "done"
  std::string state;
  std::map<RoleId, int> quorum;
  std::map<RoleId, int> missing;
  std::vector<VoteView> votes;
  std::vector<StepId> steps;
  absl::Time opened;
  absl::Time deadline;
  std::string body_digest;
  std::string why;
  // Checks that this gate's steps, or what they need, go on without: what a
  // person who decides reads first.
  std::vector<std::string> waived;
  std::vector<Wait> waits;
  bool confirming = false;  // asked once more whether what soaked may stand
};

struct GateDetail {
  GateView gate;
  std::string body;
  struct Evidence {
    HostId host;
    std::string digest;
    std::string text;
    std::vector<CheckReport> results;
    // "accepts", "accepts, but …", "refuses: …", "has not answered",
    // "by hand: …"
    std::string answer;
    std::string signature;
    std::optional<SensorAnewView> sensor_anew = std::nullopt;
  };
  std::vector<Evidence> evidence;
  std::map<HostId, std::vector<Flow>> flows;
};

struct TaskView {
  TaskId id;
  std::string what;
  RoleId owner;
  StepId step;
  std::string kind;  // "inspect", "accept"
  bool wanted_now = false;
  bool done = false;
  OperatorId by;
  absl::Time at;
  std::string note;
};

// Something a run has to have reached to end without a reason being given.
struct Criterion {
  std::string id;  // "systems", "externals", "whole", "watched", "waivers"
  bool met = false;
  std::string text;
  std::vector<std::string> missing;  // names of what is not
};

struct RunView {
  RunId id;
  std::string state = "none";  // "active", "paused", "held", "ended"
  OperatorId started_by;
  absl::Time started;
  absl::Time ended;
  std::string plan_digest;
  int plan_number = 0;
  std::string why;
  std::vector<Criterion> criteria;  // as they are; of an ended run, were then
};

// What a new plan would do to the run, before anybody does it.
struct ReplanView {
  struct Line {
    std::string name;
    // Of a step: "narrows", "starts-over", "closes", "holds", "leaves",
    // "joins", "keeps". Of a gate: "void", "new", "gone". Of a host: "leaves",
    // "joins".
    std::string fate;
    std::string state;  // of a step, now
    std::string text;   // why; may be empty
  };
  std::string plan_digest;
  int plan_number = 0;
  RunId run;                // the active one; empty: none
  std::vector<Line> steps;  // sorted by name
  std::vector<Line> gates;  // that do not stand as they are; in order
  std::vector<Line> hosts;  // that come or go; sorted by name
};

struct View {
  EstateId estate;
  uint64_t epoch = 0;
  RunView run;
  std::vector<StepView> steps;
  std::vector<HostView> hosts;
  std::vector<GateView> gates;
  std::vector<TaskView> tasks;
  std::vector<PointTaskView> point_tasks;  // oldest first
  absl::Time eta_low = absl::InfiniteFuture();
  absl::Time eta_high = absl::InfiniteFuture();
  std::vector<StepId> critical_path;
  int steps_done = 0;
  int steps_total = 0;
  std::string refused;  // who was refused at the door lately; mostly empty
};

}  // namespace sluice::engine
