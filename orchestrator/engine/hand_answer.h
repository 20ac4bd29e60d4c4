// What an order to a manual point asks for and no hand can do: answered at
// once, in the form of an agent's answer, and claiming nothing (S9).

#pragma once

namespace sluice::engine {

class Turn;
struct Pending;

// REQUIRES: the order is outstanding. It is not any more afterwards, unless it
// closes.
void AnswerAtOnce(Turn& turn, const Pending& pending);

}  // namespace sluice::engine
