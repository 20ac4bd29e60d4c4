// Who may speak: `sluice login`, `logout`, `enrol`, `revoke`, `identities`.

#pragma once

#include <string>

#include "absl/time/time.h"
#include "orchestrator/cli/session.h"

namespace sluice::cli {

struct EnrolOptions {
  std::string host;
  absl::Duration good_for;  // zero: an hour
};

struct RevokeOptions {
  std::string host;
  std::string key;
  std::string reason;
};

ExitCode Login(const Terminal& terminal, const Common& common);
ExitCode Logout(const Terminal& terminal, const Common& common);

// Prints the token alone on standard output, so that it can be piped to the
// host; what to do with it goes to standard error.
ExitCode Enrol(const Terminal& terminal, const Common& common,
               const EnrolOptions& options);

ExitCode Revoke(const Terminal& terminal, const Common& common,
                const RevokeOptions& options);

ExitCode ShowIdentities(const Terminal& terminal, const Common& common);

}  // namespace sluice::cli
