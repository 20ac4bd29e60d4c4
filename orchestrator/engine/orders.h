// Orders that are out: who is told of a report, and what silence means.

#pragma once

#include <optional>
#include <string>

#include "orchestrator/engine/event.h"
#include "orchestrator/engine/step_state.h"

namespace sluice::engine {

class Turn;

// An agent's answer. One that belongs to no outstanding order changes nothing
// (S8).
void ApplyReport(Turn& turn, const OrderReported& report);

// The orders whose deadline has passed while their agent was connected count
// as failed; those of a lost agent wait for it.
void ExpireOrders(Turn& turn);

// As if the host had answered that it failed, because of `why`.
void FailOrder(Turn& turn, OrderKey key, const std::string& why);

// The key of an order id of this engine, if it looks like one.
std::optional<OrderKey> ParseOrderId(const OrderId& id);

}  // namespace sluice::engine
