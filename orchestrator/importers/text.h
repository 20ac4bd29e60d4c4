// A text's lines and places, and what is looked at in its bytes first.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "orchestrator/manifest/problems.h"

namespace sluice::importers {

inline constexpr size_t kMaxBytes = size_t{16} << 20;

// The places of a text. REQUIRES: the text outlives it.
class Lines {
 public:
  Lines(absl::string_view text, int file);

  // 1-based line and column (in characters) of a byte.
  Place At(size_t offset) const;
  // Of a 0-based line and byte column, as YAML counts.
  Place At(int line, int column) const;
  int count() const { return static_cast<int>(starts_.size()); }
  absl::string_view Line(int line) const;  // 0-based, without its end

 private:
  absl::string_view text_;
  int file_;
  std::vector<size_t> starts_;
};

// False, after an error, for what is no text at all: too large, UTF-16, binary.
bool LooksLikeText(absl::string_view text, int file, absl::string_view what,
                   manifest::Problems& problems);

// Reports the first byte of each line that is not UTF-8; the 1-based lines.
std::vector<int> CheckUtf8(const Lines& lines, manifest::Problems& problems);

// What of a path is shown to people.
std::string BaseName(absl::string_view path);
// "dir/compose.yaml" and "base.yaml" → "dir/base.yaml".
std::string Beside(absl::string_view path, absl::string_view other);

}  // namespace sluice::importers
