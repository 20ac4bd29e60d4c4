#include "agents/host/notify.h"

#include "absl/strings/str_cat.h"

namespace sluice::agent {

void Readiness::Judge(const std::string& problem, const AgentState& state) {
  const bool quarantined = state.mode == Mode::kQuarantined;
  std::string status =
      problem.empty() && quarantined
          ? absl::StrCat("In quarantine ", state.quarantine_number,
                         "; the fence was read back from the kernel.")
      : problem.empty() ? std::string("Open: this host is not isolated.")
      : quarantined
          ? absl::StrCat("NOT isolated as it should be: ", problem,
                         ". Tried again every second.")
          : absl::StrCat("The kernel's rules cannot be read: ", problem,
                         ". Tried again every second.");
  status = OneLine(status, 500);
  std::string lines;
  if (!ready_ && problem.empty()) {
    ready_ = true;
    lines = "READY=1\n";
  } else if (!ready_ && quarantined) {
    lines = "EXTEND_TIMEOUT_USEC=30000000\n";
  }
  if (status != status_) {
    absl::StrAppend(&lines, "STATUS=", status, "\n");
    status_ = std::move(status);
  }
  if (!lines.empty()) tell_(lines);
}

}  // namespace sluice::agent
