// What an enforcement point does not keep of docs/promises.md (S9).

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "orchestrator/planner/plan.h"

namespace sluice {

struct NotKept {
  HostId host;
  Grade grade = Grade::kKernel;
  std::vector<std::string> promises;  // "S3"
  std::string text;  // a sentence without its end, with the host's name
};

// Nothing for a kernel, which keeps all of them.
std::optional<NotKept> NotKeptBy(const PlannedHost& host);

// Of every point that opens, or is an end of what opens, with these steps;
// sorted by host.
std::vector<NotKept> NotKeptWith(const Plan& plan,
                                 const std::vector<StepId>& steps);

}  // namespace sluice
