#include "orchestrator/planner/promises.h"

#include "absl/strings/str_cat.h"

namespace sluice {

std::optional<NotKept> NotKeptBy(const PlannedHost& host) {
  switch (host.grade) {
    case Grade::kKernel:
      break;
    case Grade::kDriven:
      return NotKept{host.id,
                     host.grade,
                     {"S3", "S4"},
                     absl::StrCat(host.id.str(),
                                  " is driven: its flows close only while the "
                                  "agent that acts for it lives (S3, S4 are "
                                  "not kept)")};
    case Grade::kManual:
      return NotKept{host.id,
                     host.grade,
                     {"S1", "S2", "S3", "S4", "S5"},
                     absl::StrCat(host.id.str(),
                                  " is manual: people open and close its flows "
                                  "(S1 to S5 are kept by them alone)")};
  }
  return std::nullopt;
}

std::vector<NotKept> NotKeptWith(const Plan& plan,
                                 const std::vector<StepId>& steps) {
  std::vector<NotKept> all;
  for (const HostId& id : plan.HostsOf(steps)) {
    const PlannedHost* host = plan.FindHost(id);
    if (host == nullptr) continue;
    if (auto not_kept = NotKeptBy(*host)) all.push_back(*std::move(not_kept));
  }
  return all;
}

}  // namespace sluice
