#include "orchestrator/rpc/values.h"

namespace sluice::rpc {

Verdict VerdictOf(v1::Verdict verdict) {
  switch (verdict) {
    case v1::VERDICT_PASS:
      return Verdict::kPass;
    case v1::VERDICT_FAIL:
      return Verdict::kFail;
    default:
      return Verdict::kInconclusive;
  }
}

v1::Verdict VerdictMessage(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return v1::VERDICT_PASS;
    case Verdict::kFail:
      return v1::VERDICT_FAIL;
    case Verdict::kInconclusive:
      return v1::VERDICT_INCONCLUSIVE;
  }
  return v1::VERDICT_UNSPECIFIED;
}

void FillCheckSpec(const PlannedCheck& check, v1::CheckSpec* out) {
  out->set_id(check.id.str());
  out->set_kind(check.spec.kind);
  for (const auto& [name, value] : check.spec.args) {
    (*out->mutable_args())[name] = value;
  }
  out->set_timeout_ms(absl::ToInt64Milliseconds(check.spec.timeout));
  out->set_attempts(check.spec.attempts);
  out->set_between_ms(absl::ToInt64Milliseconds(check.spec.between));
}

void FillCheckResult(const engine::CheckReport& report, v1::CheckResult* out) {
  out->set_id(report.id.str());
  out->set_verdict(VerdictMessage(report.result.verdict));
  out->set_reason(report.result.reason);
  out->set_said_by(report.result.said_by);
}

int64_t Millis(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return 0;
  return absl::ToUnixMillis(time);
}

}  // namespace sluice::rpc
