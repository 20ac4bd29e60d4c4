// Between the wire's messages of agents and the engine's events and orders.

#pragma once

#include "absl/status/statusor.h"
#include "orchestrator/engine/command.h"
#include "orchestrator/engine/event.h"

namespace sluice::v1 {
class AgentMessage;
class Goodbye;
class Order;
}  // namespace sluice::v1

namespace sluice::rpc {

// The event that `message` of `host` is, said by the agent of `speaker`
// (empty: its own). InvalidArgument says what is wrong
// with it; a heartbeat is none. Long texts are cut.
absl::StatusOr<engine::Event> EventOf(const HostId& host,
                                      const v1::AgentMessage& message,
                                      const HostId& speaker = HostId());

// Why an agent hangs up; cut when it is long.
std::string ReasonOf(const v1::Goodbye& goodbye);

void FillOrder(uint64_t epoch, const engine::Order& order, v1::Order* out);

}  // namespace sluice::rpc
