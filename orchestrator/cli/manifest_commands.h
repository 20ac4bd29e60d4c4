// Commands that read a manifest and talk to nobody: validate, plan, explain,
// init.

#pragma once

#include <string>

#include "orchestrator/cli/init.h"
#include "orchestrator/cli/terminal.h"

namespace sluice::cli {

struct ValidateOptions {
  std::string manifest;
  bool strict = false;  // warnings are mistakes
  bool json = false;
};
ExitCode Validate(const Terminal& terminal, const ValidateOptions& options);

struct PlanOptions {
  std::string manifest;
  bool json = false;
  bool flows = false;
  int width = 0;  // 0: the terminal's
};
ExitCode ShowPlan(const Terminal& terminal, const PlanOptions& options);

struct ExplainOptions {
  std::string manifest;
  std::string system;
  bool json = false;
  bool flows = false;
};
ExitCode Explain(const Terminal& terminal, const ExplainOptions& options);

ExitCode InitEstate(const Terminal& terminal, const std::string& manifest,
                    const InitOptions& options);

}  // namespace sluice::cli
