// What `sluice forecast` is asked, from words to values.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/cli/session.h"
#include "orchestrator/planner/forecast_report.h"
#include "orchestrator/planner/plan.h"

namespace sluice::cli {

struct ForecastOptions {
  std::string manifest;
  std::vector<std::string> without;  // hosts
  std::vector<std::string> slow;     // "billing-db=20m"
  // JSON: {"billing-db": ["4s", "1m10s"]}, what past runs took for connecting
  // and probing; empty: nothing was measured.
  std::string measured;
  bool from_orchestrator = false;  // instead: what its past runs took
  uint64_t seed = 1;
  int trials = 1000;
  bool json = false;
};

// InvalidArgument, with the nearest name, for what the plan does not have.
// Asks the orchestrator of `common` only when the options say so.
absl::StatusOr<ForecastQuestion> ReadQuestion(const Plan& plan,
                                              const ForecastOptions& options,
                                              const Common& common);

}  // namespace sluice::cli
