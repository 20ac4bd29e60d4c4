#include "orchestrator/cli/client_config.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/status.h"
#include "orchestrator/cli/files.h"

namespace sluice::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestFile = 1 << 20;
constexpr size_t kMostOrchestrators = 32;

absl::StatusOr<std::string> FindConfig(const std::string& named) {
  if (!named.empty()) return named;
  if (const char* file = std::getenv("SLUICE_CLIENT"); file && *file) {
    return std::string(file);
  }
  std::vector<std::string> tried = {"./client.yaml"};
  if (const char* home = std::getenv("HOME"); home && *home) {
    tried.push_back(absl::StrCat(home, "/.config/sluice/client.yaml"));
  }
  for (const std::string& path : tried) {
    if (access(path.c_str(), F_OK) == 0) return path;
  }
  return absl::NotFoundError(absl::StrCat(
      "there is no client.yaml, so it is not known which orchestrator to ask "
      "and as whom; looked at ",
      absl::StrJoin(tried, " and "),
      ". Name one with --client FILE or in $SLUICE_CLIENT; `sluice init` makes "
      "one for each approver in operators/NAME/."));
}

absl::Status Bad(const std::string& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", what));
}

absl::StatusOr<std::string> PemOf(const std::string& file,
                                  const YAML::Node& root, const char* key) {
  const YAML::Node node = root[key];
  if (!node || !node.IsScalar()) {
    return Bad(file, absl::StrCat("'", key,
                                  ":' is missing; it names a PEM file beside "
                                  "this one"));
  }
  const fs::path path = fs::path(file).parent_path() / node.Scalar();
  auto pem = ReadWholeFile(path.string(), kLargestFile);
  if (!pem.ok()) {
    return WithContext(pem.status(), absl::StrCat(file, ": '", key, "'"));
  }
  return pem;
}

// A path beside the file, or nothing. What it names need not be there: a key
// may live on a stick.
absl::StatusOr<std::string> PathOf(const std::string& file,
                                   const YAML::Node& root, const char* key) {
  const YAML::Node node = root[key];
  if (!node) return std::string();
  if (!node.IsScalar() || node.Scalar().empty()) {
    return Bad(file, absl::StrCat("'", key, ":' names a file"));
  }
  std::string path = node.Scalar();
  const char* home = std::getenv("HOME");
  if (absl::StartsWith(path, "~/") && home != nullptr) {
    return absl::StrCat(home, path.substr(1));
  }
  return (fs::path(file).parent_path() / path).string();
}

// A unix socket's path made absolute; addresses as they are.
std::string Resolved(const std::string& file, const std::string& address) {
  absl::string_view path = address;
  if (!absl::ConsumePrefix(&path, "unix:")) return address;
  const fs::path whole =
      fs::absolute(fs::path(file).parent_path()) / std::string(path);
  return absl::StrCat("unix:", whole.lexically_normal().string());
}

absl::StatusOr<ClientConfig> FromYaml(const std::string& file,
                                      const YAML::Node& root) {
  if (!root.IsMap()) return Bad(file, "is not a client.yaml: not a mapping");
  for (const auto& entry : root) {
    const std::string key = entry.first.Scalar();
    if (key == "certificate" || key == "key") {
      return Bad(file, absl::StrCat(
                           "'", key,
                           ":' is not taken any more: operators log in with an "
                           "SSH key. Write `operator: NAME`, and give NAME a "
                           "`key:` under `approvers:` in the manifest"));
    }
    if (key != "orchestrators" && key != "operator" && key != "authority" &&
        key != "signing-key" && key != "manifest") {
      return Bad(file, absl::StrCat("'", key,
                                    "' is not a field of a client.yaml; there "
                                    "are orchestrators, operator, authority, "
                                    "signing-key and manifest"));
    }
  }
  ClientConfig config{.file = file};
  const YAML::Node orchestrators = root["orchestrators"];
  if (!orchestrators || !orchestrators.IsSequence() ||
      orchestrators.size() == 0 || orchestrators.size() > kMostOrchestrators) {
    return Bad(file,
               "'orchestrators:' has to list one address or more, such as "
               "[\"10.77.0.1:7443\"]");
  }
  for (const YAML::Node& node : orchestrators) {
    if (!node.IsScalar() || node.Scalar().empty()) {
      return Bad(file, "'orchestrators:' lists something that is not text");
    }
    config.orchestrators.push_back(Resolved(file, node.Scalar()));
  }
  const YAML::Node who = root["operator"];
  if (!who || !who.IsScalar() || who.Scalar().empty()) {
    return Bad(file, "'operator:' has to name an approver of the manifest");
  }
  config.who = who.Scalar();
  SLUICE_ASSIGN_OR_RETURN(config.authority_pem, PemOf(file, root, "authority"));
  SLUICE_ASSIGN_OR_RETURN(config.signing_key,
                          PathOf(file, root, "signing-key"));
  SLUICE_ASSIGN_OR_RETURN(config.manifest, PathOf(file, root, "manifest"));
  return config;
}

}  // namespace

absl::StatusOr<ClientConfig> LoadClientConfig(const std::string& named) {
  SLUICE_ASSIGN_OR_RETURN(const std::string file, FindConfig(named));
  SLUICE_ASSIGN_OR_RETURN(const std::string text,
                          ReadWholeFile(file, kLargestFile));
  try {
    return FromYaml(file, YAML::Load(text));
  } catch (const YAML::Exception& e) {
    return Bad(file, absl::StrCat("is not YAML: ", e.what()));
  }
}

}  // namespace sluice::cli
