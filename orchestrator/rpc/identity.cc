#include "orchestrator/rpc/identity.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/server_context.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status.h"

namespace sluice::rpc {

absl::StatusOr<Identity> Identity::Parse(absl::string_view uri) {
  const absl::Status bad = absl::PermissionDeniedError(absl::StrCat(
      "the certificate names '", uri,
      "', which is no host, operator or orchestrator; use one made by `sluice "
      "init`"));
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

absl::StatusOr<Identity> Authenticate(const grpc::ServerContextBase& context,
                                      Identity::Kind kind,
                                      absl::string_view estate) {
  const auto peer = context.auth_context();
  std::vector<grpc::string_ref> uris;
  if (peer != nullptr && peer->IsPeerAuthenticated()) {
    uris = peer->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME);
  }
  if (uris.size() != 1) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the certificate holds ", uris.size(),
        " URIs and one is needed to know whose it is; use one made by `sluice "
        "init`"));
  }
  SLUICE_ASSIGN_OR_RETURN(
      Identity identity,
      Identity::Parse(absl::string_view(uris[0].data(), uris[0].size())));
  if (identity.estate != estate) {
    return absl::PermissionDeniedError(
        absl::StrCat("the certificate is of estate '", identity.estate,
                     "' and this orchestrator serves '", estate,
                     "'; call the orchestrator of that estate"));
  }
  if (identity.kind != kind) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the certificate is ",
        identity.kind == Identity::Kind::kAgent      ? "a host's ("
        : identity.kind == Identity::Kind::kOperator ? "an operator's ("
                                                     : "a server's (",
        identity.ToString(), "), and only ",
        kind == Identity::Kind::kAgent ? "hosts attach here"
                                       : "operators may ask this",
        "; use the right one"));
  }
  return identity;
}

}  // namespace sluice::rpc
