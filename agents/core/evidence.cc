#include "agents/core/evidence.h"

#include "absl/strings/str_cat.h"
#include "common/contract.h"

namespace sluice::agent {

std::string EvidenceText(const AgentState& state, const std::string& round,
                         absl::Duration frozen_at,
                         const std::vector<NamedCheck>& inspections,
                         const std::vector<NamedResult>& results) {
  SLUICE_CHECK(inspections.size() == results.size());
  std::string text = absl::StrCat(
      "sluice evidence 1\nestate ", state.estate.str(), "\nhost ",
      state.host.str(), "\nboot ", state.boot_id, "\nquarantine-number ",
      state.quarantine_number, "\nround ", round, "\nfrozen-at-ms ",
      absl::ToInt64Milliseconds(frozen_at), "\n");
  for (size_t i = 0; i < inspections.size(); ++i) {
    const CheckResult& result = results[i].result;
    absl::StrAppend(&text, "inspect ", inspections[i].id.str(), " ",
                    inspections[i].spec.Line(), "\n",
                    VerdictName(result.verdict), " ", result.reason, "\n");
    for (const std::string& line : result.details) {
      absl::StrAppend(&text, "seen ", line, "\n");
    }
  }
  return text;
}

}  // namespace sluice::agent
