// Runs of the simulator, and the smallest one that still shows a violation.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace sluice::simulation {

struct Outcome {
  std::vector<Violation> violations;
  std::vector<std::string> faults;  // all that were drawn
  std::vector<std::string> trace;
  std::string manifest;
  std::string journal_hash;
  uint64_t steps = 0;
  absl::Duration simulated;
};

Outcome Simulate(const Options& options);

// Leaves out faults one by one, then makes the estate smaller, for as long as
// the same promise is broken. Returns what is left, `tried` counting the runs.
Options Shrink(Options options, const std::string& promise, int* tried);

// What was drawn, what broke, and how it came to that: at most 80 columns.
std::string Report(const Options& options, const Outcome& outcome,
                   size_t trace_lines);

}  // namespace sluice::simulation
