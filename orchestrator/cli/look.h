// Commands that look and change nothing: status, gates, show, history, brief.

#pragma once

#include <cstdint>
#include <string>

#include "orchestrator/cli/session.h"

namespace sluice::cli {

ExitCode ShowStatus(const Terminal& terminal, const Common& common);
ExitCode ShowGates(const Terminal& terminal, const Common& common);
// A gate, a step or a host, by name; a gate first where a name is several.
ExitCode Show(const Terminal& terminal, const Common& common,
              const std::string& name);

struct HistoryOptions {
  uint64_t from = 0;  // sequence
  int limit = 0;      // 0: as many as there are
};
ExitCode ShowHistory(const Terminal& terminal, const Common& common,
                     const HistoryOptions& options);

ExitCode ShowBrief(const Terminal& terminal, const Common& common,
                   const std::string& language);

}  // namespace sluice::cli
