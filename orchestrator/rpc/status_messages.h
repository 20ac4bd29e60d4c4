// What the engine shows, as the operators' messages.

#pragma once

#include "orchestrator/engine/view.h"
#include "orchestrator/runtime/ports.h"

namespace sluice::v1 {
class Durations;
class GateDetail;
class History;
class Status;
}  // namespace sluice::v1

namespace sluice::rpc {

void FillStatus(const runtime::Glimpse& glimpse, v1::Status* out);

void FillGateDetail(const runtime::Glimpse& glimpse,
                    const engine::GateDetail& detail, v1::GateDetail* out);

void FillHistory(const runtime::Glimpse& glimpse, uint64_t from_sequence,
                 int limit, v1::History* out);

void FillDurations(const runtime::Glimpse& glimpse, v1::Durations* out);

}  // namespace sluice::rpc
