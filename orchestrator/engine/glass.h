// What a host's root opened with the break-glass key that the host's own file
// pins: recorded, said to everybody, and acknowledged. It is people's word, so
// nothing here closes it; a person's isolation does.

#pragma once

#include <string>

#include "orchestrator/engine/event.h"
#include "orchestrator/engine/state.h"

namespace sluice::engine {

class Turn;

void ApplyGlass(Turn& turn, const GlassBroken& event);

// What holds the host open by break-glass now, and why; empty: nothing.
std::string GlassText(const Host& host);

}  // namespace sluice::engine
