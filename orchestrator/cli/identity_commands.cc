#include "orchestrator/cli/identity_commands.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/enrol_token.h"
#include "common/ssh_key.h"
#include "orchestrator/report/layout.h"

namespace sluice::cli {
namespace {

std::string At(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixMillis(unix_ms),
                          absl::LocalTimeZone());
}

}  // namespace

ExitCode Login(const Terminal& terminal, const Common& common) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  const absl::Status status = (*client)->Login();
  if (!status.ok()) return terminal.Complain(status);
  *terminal.out << "Logged in at " << (*client)->address() << ".\n";
  return kDone;
}

ExitCode Logout(const Terminal& terminal, const Common& common) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  const absl::Status status = (*client)->Logout();
  if (!status.ok()) return terminal.Complain(status);
  *terminal.out << "Logged out.\n";
  return kDone;
}

ExitCode Enrol(const Terminal& terminal, const Common& common,
               const EnrolOptions& options) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  v1::MakeTokenRequest request;
  request.set_host(options.host);
  request.set_good_for_ms(absl::ToInt64Milliseconds(options.good_for));
  const auto token = (*client)->MakeToken(request);
  if (!token.ok()) return terminal.Complain(token.status());
  const EnrolToken line{.estate = EstateId(token->estate()),
                        .host = HostId(options.host),
                        .secret = token->secret(),
                        .authority = token->authority_digest(),
                        .orchestrators = {token->orchestrators().begin(),
                                          token->orchestrators().end()}};
  *terminal.out << line.Line() << "\n";
  terminal.out->flush();
  *terminal.err << "For host " << Printable(options.host) << ", once, until "
                << At(token->until_ms())
                << ". On the host: sluice-agent enrol, and give it this line.\n"
                   "Whoever has the line first is that host: keep it secret.\n";
  return kDone;
}

ExitCode Revoke(const Terminal& terminal, const Common& common,
                const RevokeOptions& options) {
  if (options.host.empty() == options.key.empty()) {
    return terminal.Complain(
        "say what to revoke, one of: --host HOST, --key KEY. Nothing was "
        "revoked.",
        kUsage);
  }
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  v1::RevokeRequest request;
  if (!options.host.empty()) {
    request.set_host(options.host);
  } else {
    request.set_key(options.key);
  }
  request.set_reason(options.reason);
  const auto revoked = (*client)->Revoke(request);
  if (!revoked.ok()) return terminal.Complain(revoked.status());
  if (common.json) {
    *terminal.out << MessageJson(*revoked);
  } else {
    *terminal.out << Hang("", Printable(revoked->message(), true),
                          terminal.width);
  }
  return kDone;
}

ExitCode ShowIdentities(const Terminal& terminal, const Common& common) {
  const auto client = Connect(common);
  if (!client.ok()) return terminal.Complain(client.status());
  const auto list = (*client)->ListIdentities();
  if (!list.ok()) return terminal.Complain(list.status());
  if (common.json) {
    *terminal.out << MessageJson(*list);
    return kDone;
  }
  size_t widest = 4;
  for (const auto& host : list->hosts()) {
    widest = std::max(widest, Printable(host.id()).size());
  }
  for (const auto& host : list->hosts()) {
    *terminal.out << PadTo(Printable(host.id()), static_cast<int>(widest))
                  << "  ";
    if (host.key().empty()) {
      *terminal.out << "not enrolled\n";
      continue;
    }
    *terminal.out << ShortDigest(host.key()) << "  since "
                  << At(host.since_ms())
                  << (host.connected() ? "" : "  not connected") << "\n";
    if (!host.evidence_key().empty()) {
      const auto key = SshPublicKey::Parse(host.evidence_key());
      *terminal.out << "  evidence: "
                    << (key.ok() ? key->Fingerprint() : "unreadable") << "\n";
    }
  }
  for (const auto& token : list->tokens()) {
    *terminal.out << "A token for " << Printable(token.host()) << " by "
                  << Printable(token.by()) << " waits, until "
                  << At(token.until_ms()) << ".\n";
  }
  if (list->revoked_size() > 0) {
    *terminal.out << list->revoked_size()
                  << (list->revoked_size() == 1 ? " key was" : " keys were")
                  << " revoked; --json lists them.\n";
  }
  return kDone;
}

}  // namespace sluice::cli
