#include "orchestrator/rpc/identity_changes.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace sluice::rpc {

using What = engine::IdentityChanged::What;

absl::Status Record(const IdentityParts& parts, ChangeMaker make,
                    std::function<void(const runtime::Answer&)> done) {
  const auto change = std::make_shared<engine::IdentityChanged>();
  const auto was = std::make_shared<std::optional<HostId>>();
  runtime::FromPerson request;
  request.make =
      [make = std::move(make), change,
       was](const runtime::Glimpse& glimpse) -> absl::StatusOr<engine::Event> {
    SLUICE_ASSIGN_OR_RETURN(*change, make(glimpse));
    if (change->what == What::kRevoked) {
      // Whose stream ends: the host's, or that of whoever has the key.
      if (!change->host.empty()) *was = change->host;
      for (const auto& [host, known] : glimpse.engine.identities().hosts()) {
        if (known.key == change->key) *was = host;
      }
    } else if (change->what == What::kEnrolled) {
      const auto* known = glimpse.engine.identities().Find(change->host);
      if (known != nullptr && known->key != change->key) *was = change->host;
    }
    return *change;
  };
  request.reply = [parts, change, was,
                   done = std::move(done)](const runtime::Answer& answer) {
    if (!answer.status.ok()) return done(answer);
    parts.gatekeeper->Learn(*change);
    if (was->has_value()) {
      parts.registry->Close(
          **was, change->what == What::kRevoked
                     ? "this host's key was revoked"
                     : "this host was enrolled anew, with another key");
    }
    if (parts.on_identities) {
      // Refused when too many look: the next change writes them all.
      (void)parts.inbox->LookAt(
          [tell = parts.on_identities](const runtime::Glimpse& glimpse) {
            tell(glimpse.engine.identities());
          });
    }
    done(answer);
  };
  return parts.inbox->Ask(std::move(request));
}

absl::Status CheckHostIsKnown(const runtime::Glimpse& glimpse,
                              const HostId& host) {
  const auto plan = glimpse.engine.plan();
  const PlannedHost* planned = plan == nullptr ? nullptr : plan->FindHost(host);
  if (planned == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("host ", host.str(),
                     " is not in the manifest in force; add it there first"));
  }
  if (planned->grade == Grade::kKernel) return absl::OkStatus();
  if (planned->grade == Grade::kDriven) {
    return absl::FailedPreconditionError(absl::StrCat(
        "host ", host.str(), " runs no agent: that of ", planned->acting.str(),
        " acts for it, with its own identity; enrol ", planned->acting.str()));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("host ", host.str(),
                   " is a manual point: people act for it, no agent does"));
}

}  // namespace sluice::rpc
