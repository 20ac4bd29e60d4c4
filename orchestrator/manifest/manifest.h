// YAML → Model, every mistake with its file, line and column, all in one pass.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/model/diagnostic.h"
#include "orchestrator/model/model.h"

namespace sluice {

// The texts a model was made from: what a journal keeps, so that the same
// plan can be made again. The first is the one asked for, others are included.
struct ManifestSources {
  struct File {
    std::string name;
    std::string text;
  };
  std::vector<File> files;
};

struct ManifestResult {
  Model model;  // of use only when there is no error among `diagnostics`
  std::vector<Diagnostic> diagnostics;  // sorted by place
  ManifestSources sources;

  bool ok() const;  // no error; warnings are allowed
};

// Reads `path` (and what it includes). An unreadable file is a diagnostic.
ManifestResult LoadManifest(const std::string& path);

// The same from texts in memory; includes are looked up among `sources`.
ManifestResult ParseManifest(const ManifestSources& sources);

// A file that others include, read alone: what it says of other files, and what
// is missing in it, is not looked at; its model is of no use.
ManifestResult LoadManifestPart(const std::string& path);

// "city-utility.yaml:41:9: error: …", with the line and a caret under it when
// `with_source`; ANSI colour when `colour`. Ends in a newline.
std::string FormatDiagnostic(const ManifestResult& result,
                             const Diagnostic& diagnostic, bool with_source,
                             bool colour);

// All diagnostics as a JSON array, for tools.
std::string DiagnosticsJson(const ManifestResult& result);

}  // namespace sluice
