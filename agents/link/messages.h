// Between the protocol's messages and the core's values.

#pragma once

#include "absl/status/statusor.h"
#include "agents/core/event.h"
#include "agents/core/message.h"
#include "agents/core/observed.h"
#include "sluice/v1/agent.pb.h"

namespace sluice::agent {

v1::AgentMessage ToProto(const Message& message);
v1::AgentMessage ToProto(const Observations& observations);

// An order that cannot be read becomes one that says why (Unreadable), so that
// it is answered. An error: the message is of no kind that is known here.
absl::StatusOr<Event> FromProto(const v1::OrchestratorMessage& message);

}  // namespace sluice::agent
