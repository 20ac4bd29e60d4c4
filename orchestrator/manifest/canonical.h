// The one layout of a manifest, for `sluice fmt`: fields in the order of the
// table of fields, two blanks for each level, what is short in brackets on one
// line, quotes only where they are needed; every comment at what it speaks of,
// empty lines kept, never two in a row.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/manifest/manifest.h"

namespace sluice {

// Columns that lines are kept within. Comments, and texts and names without a
// place to break, stay as long as they are.
inline constexpr int kManifestWidth = 80;

// `text` in the one layout: the same values, every comment exactly once, and
// itself when it has that layout already. InvalidArgument when its form is
// broken (ParseManifest says where), Internal when it cannot be laid out
// without a loss; nothing is guessed.
absl::StatusOr<std::string> CanonicalText(absl::string_view text);

struct CanonicalFile {
  // What reading the file said. Part of a manifest (it has neither 'sluice' nor
  // 'estate') is read alone: what it says of other files is not looked at.
  ManifestResult checked;
  // The file's own text; empty when it cannot be read.
  std::string before;
  // Of use when `checked.ok()`.
  absl::StatusOr<std::string> after = absl::UnknownError("not laid out");
};

CanonicalFile FormatManifestFile(const std::string& path);

}  // namespace sluice
