// The first look at a manifest's bytes, before YAML: what a YAML parser would
// swallow, guess about or choke on is found here, each at its place, and mended
// in a copy so that the mistakes after it are found in the same pass.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "orchestrator/manifest/problems.h"

namespace sluice::manifest {

class SourceText {
 public:
  static constexpr size_t kMaxBytes = size_t{16} << 20;
  static constexpr int kMaxDepth = 64;

  // Looks at `text`, which is file number `file`. Keeps a mended copy.
  SourceText(absl::string_view text, int file, Problems& problems);

  // The same lines and columns as the text, but valid UTF-8 without tabs, and
  // every quote closed on its line.
  const std::string& mended() const { return mended_; }
  // False when there is no sense in going on (too large, too deep, binary).
  bool readable() const { return readable_; }
  // A quote was closed by us: what YAML then says may be our own doing.
  bool closed_a_quote() const { return closed_a_quote_; }
  // The last bracket before `line` (0-based) that nothing closes, or line 0.
  Place UnclosedBefore(int line) const;

  // The place of a 0-based line and byte column, columns counted in characters.
  Place At(int line, int byte_column) const;

 private:
  struct Bracket {
    int line = 0;
    size_t column = 0;
    char what = '[';
  };
  // What the lexer carries from line to line.
  struct Lexer {
    std::vector<Bracket> open;
    bool in_block = false;  // inside the text after '|' or '>'
    size_t block_parent = 0;
    size_t block_indent = 0;  // 0: its first line is still to come
  };

  void CheckBytes(Problems& problems);
  bool CheckSequence(size_t at, size_t* length, std::string* why) const;
  void CheckQuotes(Problems& problems);
  // Looks at one line; true when a quote on it had to be closed.
  bool LexLine(Lexer& lexer, int line, std::string& text, Problems& problems);

  int file_;
  std::string mended_;
  bool readable_ = true;
  bool closed_a_quote_ = false;
  bool ascii_ = true;
  std::vector<size_t> line_starts_;  // in mended_
  std::vector<Bracket> unclosed_;
};

}  // namespace sluice::manifest
