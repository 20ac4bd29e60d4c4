// Did you mean …?

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice {

// The candidate nearest to `typed` as a person mistypes it (a third of its
// letters, at least one), or "" when none is near. Ties go to the first in
// order. Names of more than 128 letters are not compared.
std::string Nearest(absl::string_view typed,
                    const std::vector<std::string>& candidates);

}  // namespace sluice
