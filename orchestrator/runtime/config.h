// orchestrator.yaml: where everything is. Paths in it are relative to it.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sluice::runtime {

struct Config {
  std::string manifest;
  std::string journal;
  std::vector<std::string> listen;  // "unix:" paths are made absolute
  std::string certificate;
  std::string key;
  std::string authority;
  std::string issuer;      // empty: no host can enrol
  std::string issuer_key;  // with it
  absl::Duration heartbeat = absl::Seconds(1);
  std::vector<std::string> notify;  // argv; empty: nobody is notified
};

// InvalidArgument with file, line and column; NotFound when it cannot be read.
absl::StatusOr<Config> ReadConfig(const std::string& path);

// The same from its text; relative paths are resolved against `directory`.
absl::StatusOr<Config> ParseConfig(const std::string& text,
                                   absl::string_view name,
                                   absl::string_view directory);

// A whole small file (certificates, configuration). `what` names it in
// messages: "certificate".
absl::StatusOr<std::string> ReadSmallFile(const std::string& path,
                                          absl::string_view what);

}  // namespace sluice::runtime
