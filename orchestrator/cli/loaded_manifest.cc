#include "orchestrator/cli/loaded_manifest.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::cli {

std::string CountText(size_t number, absl::string_view noun) {
  return absl::StrCat(number, " ", noun, number == 1 ? "" : "s");
}

std::string FileName(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

DiagnosticCounts CountOf(const ManifestResult& result) {
  DiagnosticCounts counts;
  for (const Diagnostic& one : result.diagnostics) {
    ++(one.severity == Diagnostic::Severity::kError ? counts.errors
                                                    : counts.warnings);
  }
  return counts;
}

void PrintDiagnostics(const Terminal& terminal, const ManifestResult& result,
                      bool warnings) {
  for (const Diagnostic& one : result.diagnostics) {
    if (!warnings && one.severity != Diagnostic::Severity::kError) continue;
    *terminal.err << FormatDiagnostic(result, one, /*with_source=*/true,
                                      terminal.colour);
  }
  *terminal.err << std::flush;
}

LoadedManifest LoadPlanOf(const Terminal& terminal, const std::string& path,
                          absl::string_view then) {
  LoadedManifest loaded{LoadManifest(path), nullptr};
  if (!loaded.manifest.ok()) {
    PrintDiagnostics(terminal, loaded.manifest, /*warnings=*/false);
    terminal.Complain(
        absl::StrCat(FileName(path), ": ",
                     CountText(CountOf(loaded.manifest).errors, "mistake"),
                     "; ", then),
        kMistakes);
    return loaded;
  }
  auto plan = MakePlan(loaded.manifest.model);
  if (!plan.ok()) {
    terminal.Complain(absl::StrCat(path, ": ", plan.status().message()),
                      kMistakes);
    return loaded;
  }
  loaded.plan = *std::move(plan);
  return loaded;
}

}  // namespace sluice::cli
