// `sluice status --watch`.

#pragma once

#include "orchestrator/cli/session.h"

namespace sluice::cli {

// On a terminal: the status, redrawn in place as it changes and every second,
// until Ctrl-C or the run's end. Elsewhere: a line a change (with --json, a
// status a line). An orchestrator that goes away is waited for, and said to be
// away.
ExitCode WatchStatus(const Terminal& terminal, const Common& common);

}  // namespace sluice::cli
