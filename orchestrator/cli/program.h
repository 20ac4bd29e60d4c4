// `sluice`: the command line, taken apart and handed to the commands.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/cli/terminal.h"

namespace sluice::cli {

// `arguments` without the program's own name. The exit code.
int RunSluice(const std::vector<std::string>& arguments,
              const Terminal& terminal);

// What `sluice`, `sluice help` and `sluice --help` print.
std::string HelpText(const Paint& paint);

}  // namespace sluice::cli
