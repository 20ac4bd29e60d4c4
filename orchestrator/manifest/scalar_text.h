// How one value is written: in quotes only where YAML needs them, or where a
// reader might take it for a number or a truth that it is not.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "orchestrator/manifest/tree.h"

namespace sluice::manifest {

// Columns that `text` takes on a terminal, one a character.
int WidthOf(absl::string_view text);

// On one line. `in_brackets`: commas and brackets mean something there.
std::string ScalarText(const Node& node, bool in_brackets);

// The words of a text, in lines of at most `width` columns where words allow,
// for the lines after '>-'; empty when folding would change the text.
std::vector<std::string> Fold(absl::string_view text, int width);

// The lines of a text of several, for the lines after '|-'; empty when it has
// one, or when these would be read otherwise.
std::vector<std::string> Lines(absl::string_view text);

}  // namespace sluice::manifest
