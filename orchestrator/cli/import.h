// `sluice import`: other people's lists of machines → a manifest.

#pragma once

#include <string>

#include "orchestrator/cli/terminal.h"
#include "orchestrator/importers/importer.h"

namespace sluice::cli {

struct ImportOptions {
  importers::CsvOptions csv;
  importers::ComposeOptions compose;
  importers::EstateOptions estate;  // of both
  std::string separator = ",";      // of CSV; "tab" too
  std::string out;                  // empty: standard output
};

ExitCode ImportCsvFile(const Terminal& terminal, ImportOptions options);
ExitCode ImportComposeFiles(const Terminal& terminal, ImportOptions options);

}  // namespace sluice::cli
