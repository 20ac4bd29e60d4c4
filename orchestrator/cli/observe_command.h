// `sluice observe`: what agents saw of the estate, as a manifest to go on with,
// or held against one that is there.

#pragma once

#include <functional>
#include <string>

#include "orchestrator/cli/session.h"
#include "orchestrator/cli/terminal.h"

namespace CLI {
class App;
}

namespace sluice::cli {

struct ObserveOptions {
  std::string out;       // draft: a file that is not there yet; empty: print
  std::string manifest;  // diff
};

ExitCode ObserveDraft(const Terminal& terminal, const Common& common,
                      const ObserveOptions& options);
ExitCode ObserveDiff(const Terminal& terminal, const Common& common,
                     const ObserveOptions& options);

// `observe` and what comes after it. `add` makes a subcommand with --json; the
// words outlive the parser.
void AddObserveCommands(
    CLI::App& app,
    const std::function<CLI::App*(CLI::App& to, const std::string& name,
                                  const std::string& text,
                                  std::function<ExitCode()> run)>& add,
    const Terminal& terminal, const Common& common, ObserveOptions& words);

}  // namespace sluice::cli
