// What is wrong, or doubtful, in a manifest, and where.

#pragma once

#include <string>
#include <vector>

#include "orchestrator/model/model.h"

namespace sluice {

struct Diagnostic {
  enum class Severity { kError, kWarning };
  Severity severity = Severity::kError;
  Place place;
  std::string message;  // reads as a path, ends with what to do
};

}  // namespace sluice
