// Everything the engine knows: the fold of all events so far. Plain values;
// who changes them is a Turn.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/engine/command.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/engine/gate_state.h"
#include "orchestrator/engine/identities.h"
#include "orchestrator/engine/plan_index.h"
#include "orchestrator/engine/refusals.h"
#include "orchestrator/engine/step_state.h"
#include "orchestrator/engine/view.h"

namespace sluice::engine {

// A lost agent counts as absent after this long: what can go on without it
// goes on. Until then everything waits, so that a restarted orchestrator does
// not take agents that are dialling for dead ones.
inline constexpr absl::Duration kAbsentAfter = absl::Seconds(60);

// What an order is for: who is told of its report.
enum class Purpose : uint8_t {
  kNothing,  // its report changes only what is known of the host
  kIsolate,
  kWithdraw,
  kFreeze,
  kPropose,
  kInspectAgain,
  kOpenServers,
  kOpenClients,
  kStart,
  kTry,
  kHealth,
  kWatch,
  kConfirm,
  kLate,
  kTrust,  // outlives isolations and runs
};

// An order to a manual point, as people are asked to carry it out.
struct ByHand {
  TaskId id;  // "plc-1/open-4"
  std::string verb;
  std::vector<PointFlow> flows;  // sorted, each once
  // Of an opening: the same, by grant.
  std::map<GrantId, std::vector<PointFlow>> opens = {};
  std::string release;  // digest
  bool told = false;    // people know of it
  bool answered = false;
};

struct Pending {
  Order order;
  Purpose purpose = Purpose::kNothing;
  int step = -1;
  int gate = -1;
  int round = 0;
  int grant = -1;
  std::vector<int> steps;  // of a withdrawal
  absl::Time sent;
  absl::Time deadline = absl::InfiniteFuture();  // infinite: agent is away
  // An agent that comes back later is not given it any more.
  absl::Time good_until = absl::InfiniteFuture();
  bool failed = false;  // a closing reported not done: waits to go anew
  std::optional<ByHand> by_hand = {};
};

// What people opened by hand at a manual point.
struct OpenedByHand {
  std::string release;  // digest
  std::vector<PointFlow> flows;
  // Its task became void with nobody having said what was done of it.
  bool in_doubt = false;
};

struct Host {
  enum class Link : uint8_t { kNever, kConnected, kLost };
  Link link = Link::kNever;
  absl::Time since;
  std::string lost_reason;
  bool absent = false;  // away for longer than kAbsentAfter
  absl::Time absent_at = absl::InfiniteFuture();
  std::string boot_id;
  std::string agent_version;
  std::optional<FenceSeen> fence;
  // Isolated by us, or part of a run: finding it open is finding it wrong.
  bool must_be_quarantined = false;
  // Joined a run by its new plan and is not known to be isolated: nothing of
  // it can come back before a person has isolated it.
  bool never_isolated = false;
  std::optional<OrderKey> isolating;
  OrderSet pending;
  // The last isolation that concerned it, for Engine::IsolationSince.
  uint64_t isolation = 0;
  OrderSet isolation_orders;
  std::string note;
  std::string trust;  // what it said to the last change of whom it believes
  // The last rotation that names it, for when it comes anew.
  std::shared_ptr<const TrustChanged> rotation;
  // What its root opened by break-glass, in words, by the text's digest.
  std::map<std::string, std::string> glass;

  // People act for it; see hand.h.
  bool manual = false;
  int tasks_made = 0;
  struct Word {
    OperatorId by;
    absl::Time at;
    std::string saw;
  };
  std::optional<Word> closed;  // who said so last
  std::map<GrantId, OpenedByHand> opened_by_hand;

  // The last person who had its sensor begin anew.
  struct SensorAnew {
    OperatorId by;
    absl::Time at;
    std::string reason;
    std::string act;        // IsolateHost::sensor_anew
    uint64_t sequence = 0;  // of the isolation
    bool done = false;      // the host said so
  };
  std::optional<SensorAnew> sensor_anew;

  // Whether somebody obeys for it now: its agent, or people.
  bool connected() const { return manual || link == Link::kConnected; }
  bool quarantined() const {
    return fence.has_value() && fence->mode == FenceSeen::Mode::kQuarantined;
  }
};

struct Signature {
  OperatorId by;
  absl::Time at;
  std::string note;
  std::string attachment_digest;
};

// A check that a person said to go on without.
struct Waiver {
  OperatorId by;
  std::string reason;
  absl::Time until;
};

// The newest delegation of one person.
struct Delegated {
  OperatorId deputy;
  std::vector<RoleId> roles;  // none: taken back
  absl::Time from;
  absl::Time until;
  std::string text;
  std::vector<std::string> signatures = {};
  bool tasks = false;
};

struct Run {
  RunId id;
  OperatorId by;
  absl::Time started;
  absl::Time ended = absl::InfinitePast();
  std::string end_reason;
  std::vector<Criterion> end_criteria;  // as they were when it ended
  bool active = true;
  bool paused = false;
  OperatorId paused_by;
  absl::Time paused_at;
  int plan_number = 0;
  OperatorId planned_by;  // who changed the plan in mid-run last
  std::shared_ptr<const PlanIndex> index;
  std::vector<Step> steps;
  // Those of the plan's stages, then those of stages that earlier plans had.
  std::vector<Gate> gates;
  std::map<TaskId, Signature> tasks;
  std::map<CheckId, Waiver> waivers;  // in force
  std::vector<int> came_back;         // in order

  const PlanIndex& plan() const { return *index; }
};

struct World {
  uint64_t epoch = 0;
  std::string instance;
  absl::Time now = absl::InfinitePast();
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<const PlanIndex> index;
  int plan_number = 0;
  std::map<HostId, Host> hosts;
  std::map<OrderKey, Pending> orders;
  std::optional<Run> run;
  Identities identities;
  std::map<OperatorId, Delegated> stand_ins;  // by delegator
  uint64_t rotation_serial = 0;               // the highest that was sent
  std::string rotation;                       // its text
  RefusedLately refused;

  // What will happen by itself, and when. Each entry belongs to one order,
  // step or host, which holds the same time.
  std::set<std::pair<absl::Time, OrderKey>> order_timers;
  std::set<std::pair<absl::Time, int>> step_timers;
  std::set<std::pair<absl::Time, HostId>> host_timers;

  bool run_active() const { return run.has_value() && run->active; }
  const Host* FindHost(const HostId& id) const {
    const auto it = hosts.find(id);
    return it == hosts.end() ? nullptr : &it->second;
  }
  bool Connected(const HostId& id) const {
    const Host* host = FindHost(id);
    return host != nullptr && host->connected();
  }
};

struct Engine::State : World {};

// The round a step is in, or nullptr.
const Round* RoundOf(const Run& run, int step);
Round* RoundOf(Run& run, int step);

// Of a step's own hosts, those in it, and those of them connected.
int HostsIn(const Step& step);
int HostsUp(const World& world, const Step& step);
// Of those up, the ones whose watched checks all pass.
int HostsWell(const World& world, const Step& step);

// The hosts that keep it from being well are known to be fewer than it may
// miss: what a client may count on (S1: unknown is not healthy).
bool IsHealthyNow(const World& world, int step);
// Whether each hard need of the step allows its flows to open now (S1).
bool NeedsMet(const World& world, int step);

// It is back without some of its hosts or soft needs, and nothing that is open
// stands on it: a retry may close it and ask its gate for all of it.
bool CanComeBackWhole(const World& world, int step);

absl::Time NextTimer(const World& world);

// The whole state as text, for StateDigest().
std::string StateText(const World& world);

}  // namespace sluice::engine
