#include "orchestrator/rpc/access.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace sluice::rpc {
namespace {

constexpr Rule kTable[] = {
    {"/grpc.health.v1.Health/Check", Level::kAnybody},
    {"/grpc.health.v1.Health/Watch", Level::kAnybody},
    {"/sluice.v1.Enrolment/Enrol", Level::kAnybody},
    {"/sluice.v1.Login/Challenge", Level::kAnybody},
    {"/sluice.v1.Login/Login", Level::kAnybody},
    {"/sluice.v1.Enrolment/Renew", Level::kKnownKey},
    {"/sluice.v1.AgentLink/Attach", Level::kHost},
    {"/sluice.v1.Login/Logout", Level::kOperator},
    {"/sluice.v1.Operator/GetStatus", Level::kOperator},
    {"/sluice.v1.Operator/WatchStatus", Level::kOperator},
    {"/sluice.v1.Operator/GetGate", Level::kOperator},
    {"/sluice.v1.Operator/GetHistory", Level::kOperator},
    {"/sluice.v1.Operator/GetDurations", Level::kOperator},
    {"/sluice.v1.Operator/GetObservations", Level::kOperator},
    {"/sluice.v1.Operator/GetManifest", Level::kOperator},
    {"/sluice.v1.Operator/PreviewPlan", Level::kOperator},
    {"/sluice.v1.Operator/Isolate", Level::kOperator},
    {"/sluice.v1.Identities/List", Level::kOperator},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
     Level::kOperator},
    {"/sluice.v1.Identities/MakeToken", Level::kApprover},
    {"/sluice.v1.Identities/Revoke", Level::kApprover},
    {"/sluice.v1.Operator/Start", Level::kApprover},
    {"/sluice.v1.Operator/AdoptPlan", Level::kApprover},
    {"/sluice.v1.Operator/Decide", Level::kApprover},
    {"/sluice.v1.Operator/SignTask", Level::kApprover},
    {"/sluice.v1.Operator/ReportPoint", Level::kApprover},
    {"/sluice.v1.Operator/Retry", Level::kApprover},
    {"/sluice.v1.Operator/Skip", Level::kApprover},
    {"/sluice.v1.Operator/Pause", Level::kApprover},
    {"/sluice.v1.Operator/Resume", Level::kApprover},
    {"/sluice.v1.Operator/End", Level::kApprover},
    {"/sluice.v1.Operator/ChangeTrust", Level::kApprover},
};

absl::string_view Words(Level level) {
  switch (level) {
    case Level::kAnybody:
      return "anybody";
    case Level::kKnownKey:
      return "a host whose key is enrolled, its certificate expired or not";
    case Level::kHost:
      return "a host whose key is enrolled";
    case Level::kOperator:
      return "whoever logged in";
    case Level::kApprover:
      return "who logged in and has a role in the manifest";
  }
  return "";
}

}  // namespace

absl::Span<const Rule> AccessTable() { return kTable; }

const Rule* FindRule(absl::string_view method) {
  for (const Rule& rule : kTable) {
    if (rule.method == method) return &rule;
  }
  return nullptr;
}

std::string AccessMarkdown() {
  std::string text = "| call | who |\n| --- | --- |\n";
  for (const Rule& rule : kTable) {
    std::string name(rule.method.substr(1));
    absl::StrReplaceAll({{"sluice.v1.", ""}, {"/", "."}}, &name);
    absl::StrAppend(&text, "| `", name, "` | ", Words(rule.level), " |\n");
  }
  return text;
}

}  // namespace sluice::rpc
