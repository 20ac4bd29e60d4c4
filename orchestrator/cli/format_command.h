// `sluice fmt`: manifests in their one layout.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/cli/terminal.h"

namespace sluice::cli {

struct FormatOptions {
  std::vector<std::string> files;
  bool check = false;  // say which would change, and change none
  bool print = false;  // to standard output, and change none
};

// Each file is replaced as a whole or not at all; one with mistakes is left
// alone, and the others are still done.
ExitCode Format(const Terminal& terminal, const FormatOptions& options);

}  // namespace sluice::cli
