// The manifest's own words for its choices. Plans are digested and shown in
// them: a word, once released, stays as it is.

#pragma once

#include "orchestrator/model/model.h"

namespace sluice {

const char* WordOf(Strength strength);  // "hard", "soft"
const char* WordOf(Priority priority);  // "high", "normal", "low"
const char* WordOf(OnFailure policy);   // "isolate", "isolate-dependents", …
const char* WordOf(Grade grade);        // "kernel", "driven", "manual"

}  // namespace sluice
