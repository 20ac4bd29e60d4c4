#include "agents/host/kept_config.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/host/enrol_command.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

// Drivers stay: without theirs, nobody would close the points that this host
// acts for. They open nothing either, for nobody is believed.
void OnlyToClose(AgentConfig& config) {
  config.approvers.clear();
  config.quorum.clear();
  config.quorum_at.clear();
  config.break_glass.clear();
  config.units.clear();
  config.plugins.clear();
  config.yara.clear();
  config.baselines.clear();
}

absl::StatusOr<StartConfig> ReadAsStart(const std::string& file,
                                        const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(std::string text, ReadConfigText(file));
  SLUICE_ASSIGN_OR_RETURN(AgentConfig config, ParseConfig(text, path));
  return StartConfig{std::move(config), std::move(text)};
}

}  // namespace

std::string KeptConfigPath(const std::string& path) {
  return absl::StrCat(path, ".in-force");
}

absl::StatusOr<StartConfig> ReadOwnConfig(const std::string& path) {
  return ReadAsStart(path, path);
}

absl::StatusOr<StartConfig> ReadStartConfig(const std::string& path) {
  absl::StatusOr<StartConfig> own = ReadOwnConfig(path);
  if (own.ok()) return own;
  absl::StatusOr<StartConfig> kept = ReadAsStart(KeptConfigPath(path), path);
  if (!kept.ok()) return own.status();
  OnlyToClose(kept->config);
  kept->config.suspended = absl::StrCat(
      "cannot use its agent.yaml (", own.status().message(),
      ") and runs by the copy of its last start: nothing opens or is started "
      "on it until that file is mended and the agent started again");
  return kept;
}

absl::Status KeepConfig(const std::string& path, const std::string& text) {
  const std::string copy = KeptConfigPath(path);
  const absl::StatusOr<std::string> before = ReadConfigText(copy);
  if (before.ok() && *before == text) return absl::OkStatus();
  return WriteSecretFile(copy, text);
}

}  // namespace sluice::agent
