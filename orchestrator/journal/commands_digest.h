// A digest of what an event made the engine order: kept with its record, so
// that a program that would act differently on the same history stops (S7).

#pragma once

#include <string>
#include <vector>

#include "orchestrator/engine/command.h"

namespace sluice::journal {

// Covers every order with all its fields, in order. Lines for people
// (Announce) are left out: better words are no different deed.
std::string CommandsDigest(const std::vector<engine::Command>& commands);

}  // namespace sluice::journal
