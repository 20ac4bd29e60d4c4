// The comments and empty lines of a manifest, which no YAML parser keeps: found
// in the text beside the tree that was read from it.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/manifest/tree.h"

namespace sluice::manifest {

// A comment, or one or more empty lines in a row.
struct Remark {
  int line = 0;                   // 0-based
  int column = 0;                 // 0-based, in bytes
  std::string text;               // from its '#' on; "": an empty line
  bool own_line = true;           // nothing stands before it on its line
  bool after_dash = false;        // of an item that has not begun yet
  const Node* bracket = nullptr;  // the innermost [ or { that is open here
};

// In the order of the text. REQUIRES: `root` was read from `text`, without a
// mistake in its form.
std::vector<Remark> FindRemarks(const std::string& text, const Node& root);

// Where each line of `text` begins.
std::vector<size_t> LineStarts(const std::string& text);

// True when `node` is written with brackets in `text`.
bool IsBracketed(const std::string& text, const std::vector<size_t>& lines,
                 const Node& node);

}  // namespace sluice::manifest
