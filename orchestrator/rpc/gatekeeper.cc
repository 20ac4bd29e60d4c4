#include "orchestrator/rpc/gatekeeper.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/digest.h"
#include "common/status.h"
#include "orchestrator/rpc/identity.h"

namespace sluice::rpc {
namespace {

constexpr size_t kMostVerified = 32'768;

std::string NameOf(const Caller& caller) {
  return caller.kind == Caller::Kind::kHost
             ? absl::StrCat("host ", caller.host.str())
             : absl::StrCat("operator ", caller.who.str());
}

}  // namespace

Gatekeeper::Gatekeeper(Options options, engine::Identities identities)
    : options_(std::move(options)),
      sessions_(options_.sessions),
      identities_(std::move(identities)) {}

absl::StatusOr<std::unique_ptr<Gatekeeper>> Gatekeeper::Make(
    Options options, engine::Identities identities) {
  if (!options.now) options.now = [] { return absl::Now(); };
  std::unique_ptr<Gatekeeper> made(
      new Gatekeeper(std::move(options), std::move(identities)));
  const Options& with = made->options_;
  const auto authority = ReadCertificate(with.authority_pem);
  if (!authority.ok()) return WithContext(authority.status(), "authority");
  made->authority_digest_ = authority->digest;
  made->authority_key_ = authority->key;
  const auto server = ReadCertificate(with.server_certificate_pem);
  if (!server.ok()) return WithContext(server.status(), "certificate");
  made->server_digest_ = server->digest;
  if (with.issuer.has_value()) {
    auto issuer = Authority::Load(*with.issuer);
    if (!issuer.ok()) return WithContext(issuer.status(), "issuer");
    made->issuer_ = *std::move(issuer);
  }
  return made;
}

// ── certificates ────────────────────────────────────────────────────────────

absl::Status Gatekeeper::CheckHandshake(
    absl::string_view certificate_pem) const {
  if (certificate_pem.empty()) return absl::OkStatus();
  return Verified(certificate_pem).status();
}

// A handshake, the table and the service ask about the same certificate.
absl::StatusOr<Certificate> Gatekeeper::Verified(absl::string_view pem) const {
  const std::string digest = Sha256(pem);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = verified_.find(digest);
    if (found != verified_.end()) return found->second;
  }
  auto verified = VerifyCertificate(
      pem, options_.issuer ? options_.issuer->certificate_pem : "",
      options_.authority_pem, CertificateUse::kClient);
  if (!verified.ok()) return verified;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (verified_.size() >= kMostVerified) verified_.clear();
  verified_.emplace(digest, *verified);
  return verified;
}

absl::StatusOr<Caller> Gatekeeper::WhoCalls(const Presented& presented) {
  Caller caller;
  if (!presented.certificate_pem.empty()) {
    SLUICE_ASSIGN_OR_RETURN(caller.certificate,
                            Verified(presented.certificate_pem));
    caller.certificate_pem = presented.certificate_pem;
    caller.by_authority = caller.certificate.issuer_key == authority_key_;
    if (IsRevoked(caller.certificate.key)) {
      return absl::PermissionDeniedError(
          "the key of this certificate was revoked and never speaks again; a "
          "host that was rebuilt enrols anew with a token from `sluice enrol`");
    }
    const std::vector<std::string>& uris = caller.certificate.uris;
    if (uris.size() != 1) {
      return absl::PermissionDeniedError(absl::StrCat(
          "the certificate holds ", uris.size(),
          " URIs and one is needed to know whose it is; use one made by "
          "`sluice`"));
    }
    SLUICE_ASSIGN_OR_RETURN(const Identity identity, Identity::Parse(uris[0]));
    if (identity.estate != options_.estate) {
      return absl::PermissionDeniedError(
          absl::StrCat("the certificate is of estate '", identity.estate,
                       "' and this orchestrator serves '", options_.estate,
                       "'; call the orchestrator of that estate"));
    }
    switch (identity.kind) {
      case Identity::Kind::kAgent:
        caller.kind = Caller::Kind::kHost;
        caller.host = HostId(identity.name);
        break;
      case Identity::Kind::kOperator:
        // Whoever takes a machine takes its files: people come with a key
        // that they carry, and for a time.
        return absl::PermissionDeniedError(
            "certificates speak for hosts alone, and this one names an "
            "operator; log in with your SSH key: `sluice login`");
      case Identity::Kind::kOrchestrator:
        return absl::PermissionDeniedError(
            "the certificate is a server's, and servers ask nothing here");
    }
  }
  if (presented.session.empty()) return caller;
  if (caller.kind == Caller::Kind::kHost) {
    return absl::PermissionDeniedError(
        "a host speaks for itself and for no operator; log in from an "
        "operator's own machine");
  }
  SLUICE_ASSIGN_OR_RETURN(
      const Sessions::Found found,
      sessions_.Find(presented.session, presented.peer, now()));
  if (IsRevoked(found.key)) {
    return absl::PermissionDeniedError(
        "the key that this session was opened with was revoked; ask an "
        "approver");
  }
  caller.kind = Caller::Kind::kOperator;
  caller.who = found.who;
  caller.session = presented.session;
  return caller;
}

absl::Status Gatekeeper::CheckHost(const Caller& caller,
                                   bool may_be_expired) const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const engine::Identities::Host* known = identities_.Find(caller.host);
    if (known == nullptr && !caller.by_authority) {
      return absl::PermissionDeniedError(absl::StrCat(
          "host ", caller.host.str(),
          " is not enrolled (any more); enrol it with a token from `sluice "
          "enrol --host ",
          caller.host.str(), "`"));
    }
    if (known != nullptr && known->key != caller.certificate.key) {
      return absl::PermissionDeniedError(absl::StrCat(
          "host ", caller.host.str(),
          " is enrolled with another key than this one; if it was rebuilt, "
          "enrol it with a token from `sluice enrol --host ",
          caller.host.str(), "`"));
    }
  }
  if (may_be_expired || !caller.certificate.ExpiredAt(now())) {
    return absl::OkStatus();
  }
  return absl::UnauthenticatedError(absl::StrCat(
      "the certificate of host ", caller.host.str(), " expired on ",
      absl::FormatTime("%Y-%m-%d", caller.certificate.until,
                       absl::UTCTimeZone()),
      "; its agent renews it by itself, with the same key"));
}

// ── calls ───────────────────────────────────────────────────────────────────

absl::Status Gatekeeper::MayCall(absl::string_view method,
                                 const Caller& caller) const {
  const Rule* rule = FindRule(method);
  const Level level = rule == nullptr ? Level::kOperator : rule->level;
  if (level == Level::kAnybody) return absl::OkStatus();
  const bool for_hosts = level == Level::kHost || level == Level::kKnownKey;
  if (caller.kind == Caller::Kind::kNobody) {
    return absl::UnauthenticatedError(
        for_hosts ? "only hosts may call this, with the certificate they "
                    "enrolled for; run `sluice-agent enrol` on the host"
                  : "nobody is logged in; log in with `sluice login`");
  }
  if (for_hosts != (caller.kind == Caller::Kind::kHost)) {
    return absl::PermissionDeniedError(absl::StrCat(
        NameOf(caller), " asks, and only ",
        for_hosts ? "hosts attach here, with the certificate they enrolled for"
                  : "operators may ask this: log in with `sluice login`"));
  }
  if (for_hosts) return CheckHost(caller, level == Level::kKnownKey);
  if (rule == nullptr) {
    return absl::UnimplementedError(
        "this orchestrator knows no such call; it is of another version");
  }
  // Whether an approver is one is the loop's to say: the manifest in force is
  // the run's (requests.cc).
  return absl::OkStatus();
}

absl::StatusOr<Caller> Gatekeeper::Admit(absl::string_view method,
                                         const Presented& presented) {
  const Rule* rule = FindRule(method);
  // An ended session or a strange certificate must not keep anybody from
  // logging in, or a probe from its answer.
  if (rule != nullptr && rule->level == Level::kAnybody) return Caller();
  absl::StatusOr<Caller> caller = WhoCalls(presented);
  const absl::Status may =
      caller.ok() ? MayCall(method, *caller) : caller.status();
  if (may.ok()) return caller;
  // A session's own end is nobody's attempt: it is opened anew next.
  if (!presented.peer.empty() && !IsSessionsEnd(may)) {
    NoteRefused(runtime::Refusals::What::kCall, presented.peer, may.message());
  }
  return may;
}

void Gatekeeper::NoteRefused(runtime::Refusals::What what,
                             absl::string_view peer,
                             absl::string_view why) const {
  if (options_.refusals == nullptr) return;
  // As people write them: gRPC has "ipv4:10.77.0.66", "ipv6:%5Bfd77::1%5D".
  std::string address = peer.empty() ? "" : AddressOf(peer);
  absl::StrReplaceAll({{"ipv4:", ""}, {"ipv6:", ""}, {"%5B", ""}, {"%5D", ""}},
                      &address);
  options_.refusals->Note(what, address, why);
}

void Gatekeeper::NoteAnswer(const OperatorId& by, absl::string_view peer,
                            const absl::Status& answer) const {
  if (!absl::IsPermissionDenied(answer)) return;
  NoteRefused(runtime::Refusals::What::kCall, peer,
              absl::StrCat("operator ", by.str(), ": ", answer.message()));
}

// ── what the journal knows ──────────────────────────────────────────────────

void Gatekeeper::Learn(const engine::IdentityChanged& change) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    identities_.Apply(change, now());
  }
  if (change.what == engine::IdentityChanged::What::kRevoked &&
      !change.key.empty()) {
    sessions_.CloseKey(change.key);
  }
}

std::optional<engine::IdentityChanged> Gatekeeper::Pin(const Caller& host) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (identities_.Find(host.host) != nullptr) return std::nullopt;
  engine::IdentityChanged change{
      .what = engine::IdentityChanged::What::kEnrolled,
      .host = host.host,
      .key = host.certificate.key};
  if (!identities_.Admit(change, now()).ok()) return std::nullopt;
  identities_.Apply(change, now());
  return change;
}

bool Gatekeeper::IsRevoked(const std::string& key) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return identities_.IsRevoked(key);
}

bool Gatekeeper::HasToken(const std::string& secret_digest,
                          const HostId& host) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = identities_.tokens().find(secret_digest);
  return found != identities_.tokens().end() && found->second.host == host &&
         now() < found->second.until;
}

// ── issuing ─────────────────────────────────────────────────────────────────

absl::Status Gatekeeper::NeedsIssuer() const {
  if (issuer_.has_value()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this orchestrator has no issuer, so it can enrol nobody; name "
      "`issuer:` and `issuer-key:` in orchestrator.yaml (`sluice init --add` "
      "makes them)");
}

Bearer Gatekeeper::BearerFor(const HostId& host) const {
  return {
      .name = host.str(),
      .uri = absl::StrCat("sluice://", options_.estate, "/agent/", host.str())};
}

absl::StatusOr<std::string> Gatekeeper::Certify(
    const HostId& host, absl::string_view signing_request) const {
  SLUICE_RETURN_IF_ERROR(NeedsIssuer());
  return issuer_->CertifyRequest(signing_request, BearerFor(host),
                                 options_.certificate_days);
}

absl::StatusOr<std::string> Gatekeeper::CertifyAgain(const Caller& host) const {
  SLUICE_RETURN_IF_ERROR(NeedsIssuer());
  return issuer_->CertifyAgain(host.certificate_pem, BearerFor(host.host),
                               options_.certificate_days);
}

bool Gatekeeper::ShouldRenew(const Caller& host) const {
  return issuer_.has_value() &&
         host.certificate.until - now() <
             absl::Hours(24) * options_.certificate_days / 3;
}

}  // namespace sluice::rpc
