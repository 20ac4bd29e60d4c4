// Where one step of a run is: each phase owns only its own fields.
//
//   Quarantined → Inspecting → Ready → Connecting → Probing → Soaking
//     → Accepting → Reconnected;  from anywhere → Isolating → Quarantined

#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "orchestrator/engine/event.h"

namespace sluice::engine {

// An order's place in history; OrderId is its text.
struct OrderKey {
  uint64_t sequence = 0;
  int index = 0;

  friend auto operator<=>(const OrderKey&, const OrderKey&) = default;
};
using OrderSet = std::set<OrderKey>;

// Waits for its stage, for what it needs, or for a person (Step::stop).
struct Quarantined {};
// In a round whose evidence is being gathered.
struct Inspecting {};
// In a round that asks, or released and waiting for what it needs.
struct Ready {};
struct Connecting {
  enum class Part : uint8_t {
    kInspectAgain,
    kOpenServers,
    kOpenClients,
    kStart,
    kTry,
    kDone,
  };
  // Some parts come in another order for a joint group; see NextPart().
  Part part = Part::kInspectAgain;
  bool sent = false;  // the orders of `part` have left
  OrderSet waiting;
};
struct Probing {
  OrderSet waiting;
};
struct Soaking {
  OrderSet waiting;  // watches not yet in place
  absl::Time until = absl::InfiniteFuture();
};
struct Accepting {
  bool confirming = false;
  bool decided = false;  // a gate that confirms by decision has decided
  OrderSet waiting;
  std::set<HostId> confirmed;
  int refusals = 0;
  absl::Time again = absl::InfinitePast();  // when to ask again
};
struct Reconnected {
  int place = 0;  // the how-manieth to come back
};
struct Isolating {
  OrderSet waiting;
};

using Phase = std::variant<Quarantined, Inspecting, Ready, Connecting, Probing,
                           Soaking, Accepting, Reconnected, Isolating>;

// Why a step does not go on by itself.
enum class Stop : uint8_t {
  kNone,
  kFailed,        // a check or an order failed
  kIsolated,      // a person isolated it
  kInconclusive,  // an inspection says neither yes nor no
  kRefused,       // people said no-go
  kUnanswered,    // its gate's deadline passed
};

// One host's share in a step.
struct Part {
  bool in = true;
  bool failed = false;  // out because a check or order failed, not absent
  std::string why;      // when out
};

// A soft need's grant that opens after its step did.
struct Late {
  enum class Stage : uint8_t { kServers, kClients, kTry, kConfirm, kDone };
  Stage stage = Stage::kServers;
  OrderSet waiting;
  int refusals = 0;
  absl::Time again = absl::InfinitePast();
};

struct Step {
  Phase phase;
  absl::Time since;
  Stop stop = Stop::kNone;
  std::string reason;  // why quarantined or stopped; may be empty
  int round = 0;       // of its gate; 0: in none
  int gate = -1;       // in Run::gates; it may be one of an earlier plan
  std::map<HostId, Part> parts;
  std::set<int> opened;  // grants ordered open under its round
  std::map<int, Late> late;
  std::set<int> closed;           // soft grants closed until its next release
  std::set<HostId> shut_servers;  // servers that did not open for it
  // Hosts where what it opened was withdrawn: its release order cannot open
  // there again.
  std::set<HostId> withdrawn;
  bool watched = false;
  // Watched checks that do not pass just now: it is not healthy meanwhile,
  // and its soak starts anew after.
  std::map<std::pair<HostId, CheckId>, CheckReport> doubtful;
  bool lost_grants = false;  // a grant was withdrawn from under it
  std::vector<std::string> notes;
  std::map<std::pair<CheckId, HostId>, CheckReport> checks;
  // Nothing more will happen to it by itself; cached, see settle.cc.
  bool settled = false;
  absl::Time timer = absl::InfiniteFuture();
};

template <class P>
bool In(const Step& step) {
  return std::holds_alternative<P>(step.phase);
}

// Its flows may be open, but are not confirmed.
inline bool IsLive(const Step& step) {
  return In<Connecting>(step) || In<Probing>(step) || In<Soaking>(step) ||
         In<Accepting>(step);
}
inline bool IsOpenOrLive(const Step& step) {
  return IsLive(step) || In<Reconnected>(step);
}
inline bool IsHealthy(const Step& step) {
  return step.stop == Stop::kNone &&
         (In<Soaking>(step) || In<Accepting>(step) || In<Reconnected>(step));
}
inline bool HasSoaked(const Step& step) {
  return step.stop == Stop::kNone &&
         (In<Accepting>(step) || In<Reconnected>(step));
}

// The phase's name, as an operator would say it.
const char* PhaseName(const Phase& phase);

}  // namespace sluice::engine
