// How long things took: learned from the journal, for the next forecast.
// Rebuilt by replaying, bounded.

#pragma once

#include <cstddef>
#include <deque>
#include <map>

#include "absl/time/time.h"
#include "common/ids.h"
#include "orchestrator/engine/engine.h"

namespace sluice::runtime {

class Durations {
 public:
  static constexpr size_t kMostEach = 50;  // the newest
  static constexpr size_t kMostNames = 100'000;

  using List = std::deque<absl::Duration>;  // oldest first

  // What the engine gave for `event`. REQUIRES: times do not go down.
  void Note(const engine::Event& event, const engine::Output& output,
            absl::Time at);

  // Connecting and probing, by the machines alone. A step that was stopped,
  // paused or lived through a change of reign on the way does not count:
  // somebody was waited for.
  const std::map<StepId, List>& steps() const { return steps_; }
  // From asking to released: by people alone.
  const std::map<StageId, List>& gates() const { return gates_; }

 private:
  std::map<StepId, absl::Time> begun_;
  std::map<StepId, List> steps_;
  std::map<StageId, List> gates_;
};

}  // namespace sluice::runtime
