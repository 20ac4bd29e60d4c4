// The state again, from the journal alone (S7).

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/journal/codec.h"
#include "orchestrator/journal/journal.h"
#include "orchestrator/runtime/durations.h"
#include "orchestrator/runtime/history.h"

namespace sluice::runtime {

// What is remembered of a history besides the engine's own state.
struct Memory {
  engine::Engine engine;
  History history;
  Durations durations;
  std::optional<absl::Time> next_deadline;
  journal::Head head;
  uint64_t highest_epoch_seen = 0;  // ours and every agent's
  int plans = 0;                    // adopted so far
  std::string sources;  // encoded, of the plan in force
  std::string previous_sources;  // of the one before it; empty: none
  std::map<std::string, int> runs_of_day;

  // Takes note of what an event means for the fields above.
  void Note(const engine::Event& event);
  // "2026-11-21-1": the day (UTC) and a number within it.
  std::string NextRun(absl::Time now) const;
};

// Reads and checks every record, and steps an engine through them. Stops,
// naming the record, when one does not fit the chain, cannot be read, or when
// this program would have ordered something else than was ordered then.
absl::StatusOr<Memory> Replay(journal::Journal& journal,
                              const journal::PlanLoader& load_plan);

// The lines for people among `commands`, stamped.
std::vector<HistoryLine> LinesOf(const std::vector<engine::Command>& commands,
                                 uint64_t sequence, absl::Time at);

}  // namespace sluice::runtime
