#include "agents/host/baseline_command.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/checks/baseline.h"
#include "agents/host/enrol_command.h"
#include "agents/host/evidence_key.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(30);

}  // namespace

std::string BaselineFolder(const AgentConfig& config) {
  return absl::StrCat(config.state, "/baselines");
}

absl::StatusOr<std::string> TakeBaselines(const AgentConfig& config,
                                          const std::string& name) {
  if (config.baselines.empty() ||
      (!name.empty() && !config.baselines.contains(name))) {
    return absl::NotFoundError(
        name.empty()
            ? std::string("agent.yaml names no 'baselines'")
            : absl::StrCat("'", name,
                           "' is not among 'baselines' in agent.yaml"));
  }
  SLUICE_ASSIGN_OR_RETURN(const SshSigner signer,
                          LoadOrMakeEvidenceKey(config.evidence_key));
  const std::string folder = BaselineFolder(config);
  if (mkdir(config.state.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, config.state);
  }
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, folder);
  }
  std::string said;
  const Stop stop;
  for (const auto& [baseline, rule] : config.baselines) {
    if (!name.empty() && baseline != name) continue;
    SLUICE_ASSIGN_OR_RETURN(
        const std::string text,
        TakeBaseline(baseline, {rule.paths, rule.setuid_only},
                     absl::Now() + kPatience, stop));
    const std::string path = absl::StrCat(folder, "/", baseline);
    SLUICE_RETURN_IF_ERROR(WriteSecretFile(path, text));
    SLUICE_RETURN_IF_ERROR(WriteSecretFile(absl::StrCat(path, ".sig"),
                                           signer.Sign(kSignedBaseline, text)));
    absl::StrAppend(&said, said.empty() ? "" : "\n", baseline, ": ",
                    CompareBaselines(text, text).same, " entries, ",
                    Sha256(text));
  }
  return said;
}

}  // namespace sluice::agent
