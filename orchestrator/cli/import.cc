#include "orchestrator/cli/import.h"

#include "absl/strings/str_cat.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/planner/plan.h"

namespace sluice::cli {
namespace {

// What an importer reads at most of one file.
constexpr size_t kMaxFile = size_t{16} << 20;

absl::StatusOr<std::string> ReadInput(const std::string& path) {
  return ReadWholeFile(path, kMaxFile);
}

std::string Count(int number, absl::string_view noun) {
  return absl::StrCat(number, " ", noun, number == 1 ? "" : "s");
}

int PrintMistakes(const Terminal& terminal, const ManifestResult& said) {
  int errors = 0;
  for (const Diagnostic& one : said.diagnostics) {
    *terminal.err << FormatDiagnostic(said, one, /*with_source=*/true,
                                      terminal.colour);
    if (one.severity == Diagnostic::Severity::kError) ++errors;
  }
  *terminal.err << std::flush;
  return errors;
}

// What was made is read as `validate` and `plan` will read it: an import that
// they refuse would only move the mistake to somebody else.
bool IsGood(const Terminal& terminal, const std::string& manifest) {
  ManifestSources sources;
  sources.files.push_back({"the imported manifest", manifest});
  const ManifestResult made = ParseManifest(sources);
  std::string what;
  for (const Diagnostic& one : made.diagnostics) {
    if (one.severity != Diagnostic::Severity::kError) continue;
    *terminal.err << FormatDiagnostic(made, one, /*with_source=*/true,
                                      terminal.colour);
    what = "it has the mistakes above";
  }
  if (what.empty()) {
    const auto plan = MakePlan(made.model);
    if (plan.ok()) return true;
    what = std::string(plan.status().message());
  }
  terminal.Complain(
      absl::StrCat("no manifest was written: ", what,
                   ". Correct what it was made from, or report this."),
      kMistakes);
  return false;
}

ExitCode Finish(const Terminal& terminal,
                const importers::ImportResult& imported,
                const std::string& out) {
  const int errors = PrintMistakes(terminal, imported.said);
  if (imported.manifest.empty()) {
    return terminal.Complain(
        absl::StrCat(Count(errors, "mistake"), "; no manifest was written."),
        kMistakes);
  }
  if (!IsGood(terminal, imported.manifest)) return kMistakes;
  if (out.empty()) {
    *terminal.out << imported.manifest << std::flush;
  } else if (const absl::Status written = WriteNewFile(out, imported.manifest);
             !written.ok()) {
    return terminal.Complain(
        absl::StrCat(written.message(),
                     absl::IsAlreadyExists(written)
                         ? "; nothing is overwritten: name another file."
                         : "; name another file."),
        kMistakes);
  } else {
    *terminal.out << Hang(
        "",
        absl::StrCat(out, ": ", Count(imported.systems, "system"), " on ",
                     Count(imported.hosts, "host"), "; next: sluice validate ",
                     out),
        terminal.width);
  }
  if (imported.not_translated > 0) {
    *terminal.err << Hang(
        "",
        absl::StrCat(imported.not_translated,
                     imported.not_translated == 1 ? " thing" : " things",
                     " could not be translated: look for '# not translated' "
                     "in the manifest."),
        terminal.width);
  }
  if (errors == 0) return kDone;
  return terminal.Complain(
      absl::StrCat(Count(errors, "mistake"),
                   "; the manifest is without those rows and needs."),
      kMistakes);
}

}  // namespace

ExitCode ImportCsvFile(const Terminal& terminal, ImportOptions options) {
  std::string& separator = options.separator;
  if (separator == "tab" || separator == "\\t") separator = "\t";
  if (separator.size() != 1 || separator == "\"" || separator == "\n") {
    return terminal.Complain(
        "--separator is one character, as in ',' or ';', or tab.", kUsage);
  }
  options.csv.separator = separator[0];
  options.csv.estate = options.estate;
  return Finish(terminal, importers::ImportCsv(options.csv, ReadInput),
                options.out);
}

ExitCode ImportComposeFiles(const Terminal& terminal, ImportOptions options) {
  options.compose.estate = options.estate;
  return Finish(terminal, importers::ImportCompose(options.compose, ReadInput),
                options.out);
}

}  // namespace sluice::cli
