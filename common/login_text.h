// What an operator signs to log in (namespace login@sluice): one fact a line,
// so that a person can read what their key is asked to sign. It names the
// estate and the server's certificate: a signature given to one server is
// worth nothing at another.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace sluice {

struct LoginText {
  EstateId estate;
  OperatorId who;
  std::string server;  // "sha256:…" of the server's certificate
  std::string nonce;   // hexadecimal
  absl::Time until;    // by the orchestrator's clock, whole milliseconds
  std::string mark;    // by which the orchestrator knows its own text

  // All of it but the mark.
  std::string Unmarked() const;
  std::string Text() const;

  // InvalidArgument when it is not exactly what Text() writes.
  static absl::StatusOr<LoginText> Parse(absl::string_view text);
};

}  // namespace sluice
