// Operators' requests as events, made when their turn comes.

#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/engine/event.h"
#include "orchestrator/runtime/ports.h"

namespace sluice::v1 {
class DecideRequest;
class EndRequest;
class IsolateRequest;
class RetryRequest;
class SkipRequest;
class ReportPointRequest;
class SignTaskRequest;
class StartRequest;
class TrustRequest;
}  // namespace sluice::v1

namespace sluice::rpc {

using Maker =
    std::function<absl::StatusOr<engine::Event>(const runtime::Glimpse&)>;

// PermissionDenied for whom the manifest in force gives no role: such a person
// may look and isolate, not `what`.
absl::Status CheckApprover(const runtime::Glimpse& glimpse,
                           const OperatorId& by, absl::string_view what);

// What cannot be asked at all (an empty scope, a text without end) is
// InvalidArgument from the maker.
Maker MakeStart(const OperatorId& by, const v1::StartRequest& request);
Maker MakeDecision(const OperatorId& by, const v1::DecideRequest& request);
Maker MakeSignature(const OperatorId& by, const v1::SignTaskRequest& request);
Maker MakePointReport(const OperatorId& by,
                      const v1::ReportPointRequest& request);
Maker MakeIsolation(const OperatorId& by, const v1::IsolateRequest& request);
Maker MakeWaiver(const OperatorId& by, const v1::SkipRequest& request);
Maker MakeRetry(const OperatorId& by, const v1::RetryRequest& request);
Maker MakePause(const OperatorId& by);
Maker MakeResume(const OperatorId& by);
Maker MakeEnd(const OperatorId& by, const v1::EndRequest& request);
// A delegation that its delegator did not sign with the key that the manifest
// names is PermissionDenied. Who signed a rotation is for the hosts to judge,
// by the keys they still pin; here each signature has to be over the text.
Maker MakeTrustChange(const OperatorId& by, const v1::TrustRequest& request);

}  // namespace sluice::rpc
