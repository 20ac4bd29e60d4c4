// How `sluice` ends. Scripts rely on these numbers; docs/cli.md lists them.

#pragma once

#include "absl/status/status.h"

namespace sluice::cli {

enum ExitCode : int {
  kDone = 0,
  kMistakes = 1,      // the manifest or input has mistakes; the answer is no
  kUsage = 2,         // the command line is wrong
  kRefused = 3,       // the orchestrator's state does not allow it
  kUnreachable = 4,   // no orchestrator answers
  kNotPermitted = 5,  // the certificate or the role is not enough
  kPartly = 6,        // isolate: some hosts have not answered
};

// What a failed call ends with.
inline ExitCode ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
      return kMistakes;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return kUnreachable;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kNotPermitted;
    default:
      return kRefused;
  }
}

}  // namespace sluice::cli
