#include "orchestrator/cli/format_command.h"

#include "absl/strings/str_cat.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/manifest/canonical.h"

namespace sluice::cli {
namespace {

enum class Outcome { kSame, kChanged, kLeftAlone };

Outcome LeftAlone(const Terminal& terminal, absl::string_view why) {
  terminal.Complain(absl::StrCat(why, " The file was left alone."), kMistakes);
  return Outcome::kLeftAlone;
}

Outcome FormatOne(const Terminal& terminal, const FormatOptions& options,
                  const std::string& path) {
  const CanonicalFile file = FormatManifestFile(path);
  int mistakes = 0;
  for (const Diagnostic& one : file.checked.diagnostics) {
    if (one.severity != Diagnostic::Severity::kError) continue;
    ++mistakes;
    *terminal.err << FormatDiagnostic(file.checked, one, /*with_source=*/true,
                                      terminal.colour);
  }
  if (mistakes > 0) {
    return LeftAlone(terminal,
                     absl::StrCat(path, ": ", mistakes,
                                  mistakes == 1 ? " mistake." : " mistakes."));
  }
  if (!file.after.ok()) {
    return LeftAlone(
        terminal, absl::StrCat(path, ": ", file.after.status().message(), "."));
  }
  if (options.print) {
    *terminal.out << *file.after << std::flush;
    return Outcome::kSame;
  }
  if (*file.after == file.before) return Outcome::kSame;
  if (!options.check) {
    const absl::Status written = ReplaceFile(path, *file.after);
    if (!written.ok()) {
      return LeftAlone(terminal, absl::StrCat(written.message(), "."));
    }
  }
  *terminal.out << path << "\n" << std::flush;
  return Outcome::kChanged;
}

}  // namespace

ExitCode Format(const Terminal& terminal, const FormatOptions& options) {
  ExitCode code = kDone;
  for (const std::string& path : options.files) {
    const Outcome outcome = FormatOne(terminal, options, path);
    const bool bad = outcome == Outcome::kLeftAlone ||
                     (options.check && outcome == Outcome::kChanged);
    if (bad) code = kMistakes;
  }
  return code;
}

}  // namespace sluice::cli
