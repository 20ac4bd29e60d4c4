// Did you mean …?

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice::cli {

// The name nearest to `typed` in typing mistakes, when it is near enough for
// its length; else empty. The first of equals.
std::string Nearest(absl::string_view typed,
                    const std::vector<std::string>& names);

}  // namespace sluice::cli
