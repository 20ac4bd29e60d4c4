// Imports from files in memory, and what people and programs get of them.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/importers/importer.h"
#include "orchestrator/planner/plan.h"

namespace sluice::importers {

using Files = std::map<std::string, std::string>;

inline FileReader ReaderOf(const Files& files) {
  return [&files](const std::string& path) -> absl::StatusOr<std::string> {
    const auto at = files.find(path);
    if (at != files.end()) return at->second;
    return absl::NotFoundError(
        absl::StrCat("there is no file '", path, "'; check the path"));
  };
}

// The mistakes as a terminal shows them.
inline std::string Said(const ImportResult& result) {
  std::string out;
  for (const Diagnostic& one : result.said.diagnostics) {
    out += FormatDiagnostic(result.said, one, /*with_source=*/true,
                            /*colour=*/false);
  }
  return out;
}

// What `sluice validate` and `sluice plan` find wrong with it, or "".
inline std::string Refused(const std::string& manifest) {
  ManifestSources sources;
  sources.files.push_back({"imported.yaml", manifest});
  const ManifestResult read = ParseManifest(sources);
  std::string out;
  for (const Diagnostic& one : read.diagnostics) {
    if (one.severity != Diagnostic::Severity::kError) continue;
    out += FormatDiagnostic(read, one, true, false);
  }
  if (!read.ok()) return out;
  const auto plan = MakePlan(read.model);
  return plan.ok() ? "" : std::string(plan.status().message());
}

}  // namespace sluice::importers
