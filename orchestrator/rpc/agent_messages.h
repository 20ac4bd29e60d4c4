// Between the wire's messages of agents and the engine's events and orders.

#pragma once

#include "absl/status/statusor.h"
#include "orchestrator/engine/command.h"
#include "orchestrator/engine/event.h"

namespace sluice::v1 {
class AgentMessage;
class Order;
}  // namespace sluice::v1

namespace sluice::rpc {

// The event that `message` of `host` is. InvalidArgument says what is wrong
// with it; a heartbeat is none. Long texts are cut.
absl::StatusOr<engine::Event> EventOf(const HostId& host,
                                      const v1::AgentMessage& message);

void FillOrder(uint64_t epoch, const engine::Order& order, v1::Order* out);

}  // namespace sluice::rpc
