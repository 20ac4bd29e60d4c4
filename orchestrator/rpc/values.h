// Values that several messages share.

#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "common/flow.h"
#include "common/verdict.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/planner/plan.h"
#include "sluice/v1/common.pb.h"

namespace sluice::rpc {

template <class Names, class Out>
void AddNames(const Names& names, Out* out) {
  for (const auto& name : names) *out->Add() = name.str();
}

template <class Out>
void AddFlows(const std::vector<Flow>& flows, Out* out) {
  for (const Flow& flow : flows) *out->Add() = flow.Line();
}

// What is no verdict is inconclusive.
Verdict VerdictOf(v1::Verdict verdict);
v1::Verdict VerdictMessage(Verdict verdict);

void FillCheckSpec(const PlannedCheck& check, v1::CheckSpec* out);
void FillCheckResult(const engine::CheckReport& report, v1::CheckResult* out);

// Unix milliseconds; 0 for a time that is infinite: not known, open-ended.
int64_t Millis(absl::Time time);

}  // namespace sluice::rpc
