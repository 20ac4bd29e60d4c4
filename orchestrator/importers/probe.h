// What a container's healthcheck command asks, as far as a check can ask it.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice::importers {

struct Probe {
  // "http", "https", "tcp", "grpc", "process", or empty: not understood.
  std::string kind;
  int port = 0;         // of http, https, tcp, grpc
  std::string path;     // of http, https
  std::string service;  // of grpc
  std::string process;  // of process
  // What of the command the check does not ask. Programs and options only: a
  // command may hold a password.
  std::vector<std::string> lost;
};

// `words` as they are run. A shell's command is looked into.
Probe TranslateCommand(const std::vector<std::string>& words,
                       const std::set<std::string>& own_names);

// The same for a line that a shell runs.
Probe TranslateShell(absl::string_view line,
                     const std::set<std::string>& own_names);

}  // namespace sluice::importers
