#include "orchestrator/rpc/identity.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace sluice::rpc {

absl::StatusOr<Identity> Identity::Parse(absl::string_view uri) {
  const absl::Status bad = absl::PermissionDeniedError(absl::StrCat(
      "the certificate names '", uri,
      "', which is no host, operator or orchestrator; use one made by "
      "`sluice`"));
  absl::string_view rest = uri;
  if (!absl::ConsumePrefix(&rest, "sluice://")) return bad;
  const std::vector<absl::string_view> parts = absl::StrSplit(rest, '/');
  Identity identity;
  if (parts.size() < 2 || parts[0].empty()) return bad;
  identity.estate = std::string(parts[0]);
  if (parts.size() == 2 && parts[1] == "orchestrator") {
    identity.kind = Kind::kOrchestrator;
    return identity;
  }
  if (parts.size() != 3 || parts[2].empty()) return bad;
  if (parts[1] == "agent") {
    identity.kind = Kind::kAgent;
  } else if (parts[1] == "operator") {
    identity.kind = Kind::kOperator;
  } else {
    return bad;
  }
  identity.name = std::string(parts[2]);
  return identity;
}

std::string Identity::ToString() const {
  switch (kind) {
    case Kind::kAgent:
      return absl::StrCat("host ", name);
    case Kind::kOperator:
      return absl::StrCat("operator ", name);
    case Kind::kOrchestrator:
      break;
  }
  return "the orchestrator";
}

}  // namespace sluice::rpc
