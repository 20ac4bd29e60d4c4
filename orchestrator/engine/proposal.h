// The release order of a round: its text, and what the hosts say to it before
// people are asked.

#pragma once

namespace sluice::engine {

class Turn;

// Builds the body of the gate's forming round and puts it to every host.
void ProposeRound(Turn& turn, int stage);

}  // namespace sluice::engine
