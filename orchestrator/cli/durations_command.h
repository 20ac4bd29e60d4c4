// `sluice durations`: what past runs took, to look at and for `forecast`.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/cli/session.h"

namespace sluice::cli {

ExitCode ShowDurations(const Terminal& terminal, const Common& common);

// A table of how often, the median and the longest; machines, then people.
std::string DurationsText(const v1::Durations& durations, const Paint& paint);

// {"steps": {"billing-db": ["4200ms"]}, "gates": {"data": ["12m"]}}
std::string DurationsJson(const v1::Durations& durations);

// The other way. The steps alone, without "steps", do too: people write that.
// InvalidArgument, in a sentence, for anything else.
absl::StatusOr<v1::Durations> ParseDurations(const std::string& json);

}  // namespace sluice::cli
