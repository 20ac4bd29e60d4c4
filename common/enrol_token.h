// The token that lets one host enrol: one line of text, handed over by a
// person. It says where to go and by which authority to know the orchestrator,
// so that a host needs nothing else.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"

namespace sluice {

struct EnrolToken {
  EstateId estate;
  HostId host;
  std::string secret;                      // 64 hex digits
  std::string authority;                   // "sha256:…" of its certificate
  std::vector<std::string> orchestrators;  // "10.77.0.1:7443"

  // "sluice-token-1." and base64url.
  std::string Line() const;

  // InvalidArgument in a sentence that does not repeat the text: it may be
  // somebody's password.
  static absl::StatusOr<EnrolToken> Parse(absl::string_view line);
};

}  // namespace sluice
