// Commands that read a manifest and talk to nobody, unless `forecast
// --from-orchestrator` says so: validate, plan, diff, explain, forecast, init.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/cli/forecast_input.h"
#include "orchestrator/cli/init.h"
#include "orchestrator/cli/terminal.h"

namespace sluice::cli {

struct ValidateOptions {
  std::string manifest;
  bool strict = false;              // warnings are mistakes
  std::vector<std::string> agents;  // agent.yaml files to compare with it
  bool json = false;
};
ExitCode Validate(const Terminal& terminal, const ValidateOptions& options);

struct PlanOptions {
  std::string manifest;
  // "text", "json", "dot", "svg" or "mermaid".
  std::string format = "text";
  bool flows = false;
  int width = 0;  // 0: the terminal's
};
ExitCode ShowPlan(const Terminal& terminal, const PlanOptions& options);

// What NEW changes for whom, and which stages' decisions it voids.
struct DiffOptions {
  std::string before;
  std::string after;
  bool json = false;
};
ExitCode Diff(const Terminal& terminal, const DiffOptions& options);

struct ExplainOptions {
  std::string manifest;
  std::string system;
  bool json = false;
  bool flows = false;
};
ExitCode Explain(const Terminal& terminal, const ExplainOptions& options);

// When everything is back, and what if.
ExitCode ShowForecast(const Terminal& terminal, const Common& common,
                      const ForecastOptions& options);

// The agent.yaml of one host, for review: what `init` writes.
struct AgentConfigOptions {
  std::string manifest;
  std::string host;
};
ExitCode DraftAgentConfig(const Terminal& terminal,
                          const AgentConfigOptions& options);

ExitCode InitEstate(const Terminal& terminal, const std::string& manifest,
                    const InitOptions& options);

}  // namespace sluice::cli
