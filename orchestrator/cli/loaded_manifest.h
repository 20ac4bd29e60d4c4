// A manifest that a command reads, and what is said when it has mistakes.

#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "orchestrator/cli/terminal.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/plan.h"

namespace sluice::cli {

struct DiagnosticCounts {
  size_t errors = 0;
  size_t warnings = 0;
};
DiagnosticCounts CountOf(const ManifestResult& result);

// Each with its line of source, on `err`.
void PrintDiagnostics(const Terminal& terminal, const ManifestResult& result,
                      bool warnings);

// The manifest and its plan; nullptr after saying what is wrong, and `then`.
struct LoadedManifest {
  ManifestResult manifest;
  std::shared_ptr<const Plan> plan;
};
LoadedManifest LoadPlanOf(const Terminal& terminal, const std::string& path,
                          absl::string_view then);

// "1 mistake", "3 mistakes".
std::string CountText(size_t number, absl::string_view noun);
// "city.yaml" of "estates/city.yaml".
std::string FileName(const std::string& path);

}  // namespace sluice::cli
