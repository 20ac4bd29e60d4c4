// What to do next: imperatives that the runtime carries out, in order, only
// after the event that caused them is on disk. Isolation is the exception: it
// leaves even when the journal cannot be written (S5).

#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"
#include "common/ids.h"
#include "common/prefix.h"
#include "common/verdict.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/planner/plan.h"

namespace sluice::engine {

// ── orders to one host; what each means stands in agent.proto ───────────────

struct IsolateHost {
  std::string reason;
  // Not empty: its sensor begins anew, by this person's act, once.
  std::string sensor_anew = {};
};
// Without `peers`: all flows of these grants. With them: of these grants (of
// all, when none is named) the flows whose other end is one of these addresses.
struct Withdraw {
  std::vector<GrantId> grants;
  std::string reason;
  std::vector<Prefix> peers = {};
};
struct FreezeEvidence {
  std::string round;  // "data/1"
  std::vector<PlannedCheck> inspections;
};
// A text that a thousand orders carry: copies share it.
class SharedText {
 public:
  SharedText() : SharedText(std::string()) {}
  SharedText(std::string text)  // NOLINT: as good as the text itself
      : text_(std::make_shared<const std::string>(std::move(text))) {}
  const std::string& str() const { return *text_; }

 private:
  std::shared_ptr<const std::string> text_;
};

struct Propose {
  std::string round;
  SharedText body;
  std::map<GrantId, std::vector<Flow>> grants;  // all that opens on this host
  std::vector<std::string> will_ask = {};       // "unit postgresql.service"
};
struct OpenFlows {
  std::string release_digest;
  std::vector<GrantId> grants;
  std::vector<DecisionMade> decisions;
};
struct TryFlows {
  std::vector<Flow> flows;
  absl::Duration timeout = absl::Seconds(3);
};
struct RunChecks {
  std::vector<PlannedCheck> checks;
};
struct StartUnit {
  std::string unit;
};
struct Watch {
  StepId step;
  std::vector<PlannedCheck> checks;  // empty: stop watching
  absl::Duration every;
};
struct Confirm {
  std::string release_digest;
  std::vector<GrantId> grants;
  StepId step;
  std::vector<DecisionMade> decisions;  // where the gate confirms by them
};
struct ReadFence {};
struct ChangeTrust {
  std::string text;
  std::vector<std::string> signatures;
};
// What the host said of its break-glass key is on our disk.
struct GlassNoted {
  std::string text_digest;
};

struct Order {
  OrderId id;
  HostId host;
  absl::Duration deadline = absl::Seconds(30);
  std::variant<IsolateHost, Withdraw, FreezeEvidence, Propose, OpenFlows,
               TryFlows, RunChecks, StartUnit, Watch, Confirm, ReadFence,
               ChangeTrust, GlassNoted>
      what;
};

// ── to people ───────────────────────────────────────────────────────────────

// A line of the history, in words; also what a notify script is given.
struct Announce {
  // "run", "gate", "decision", "task", "isolation", "failure", "connecting",
  // "reconnected", "hold", "host", "alarm", "waiver", "identity",
  // "trust", "refusal"
  std::string kind;
  std::string who;  // the operator or host it is about; may be empty
  std::string text;
};

using Command = std::variant<Order, Announce>;

}  // namespace sluice::engine
