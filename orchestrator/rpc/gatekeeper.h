// Who calls, and whether they may: certificates, sessions and the table of
// access.h, in one place that every call passes before its service sees it.
//
// A certificate is believed when the estate's authority stands behind it, it
// names one host of this estate, and its key is the one the journal knows for
// that host; it speaks for nobody else. People come with a session. Expiry
// alone removes no host: it leaves a known one the right to renew. Any thread.

#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/authority.h"
#include "common/x509.h"
#include "orchestrator/engine/identities.h"
#include "orchestrator/rpc/access.h"
#include "orchestrator/rpc/sessions.h"
#include "orchestrator/runtime/refusals.h"

namespace sluice::rpc {

struct Caller {
  enum class Kind { kNobody, kHost, kOperator };
  Kind kind = Kind::kNobody;
  HostId host;
  OperatorId who;
  // Of a certificate.
  Certificate certificate;
  std::string certificate_pem;
  bool by_authority = false;  // signed by the authority itself, no issuer
  // Of a session.
  std::string session;  // its token
};

// What came with a call.
struct Presented {
  std::string certificate_pem;  // empty: none
  std::string session;          // empty: none
  std::string peer;             // "ipv4:10.77.0.21:51234", "unix:…"
};

class Gatekeeper {
 public:
  struct Options {
    std::string estate;
    std::string authority_pem;
    std::string server_certificate_pem;
    std::optional<Credential> issuer;
    // Of the hosts' certificates; two thirds of it over, they renew.
    int certificate_days = 90;
    Sessions::Options sessions;
    std::function<absl::Time()> now;
    runtime::Refusals* refusals = nullptr;  // outlives it
  };

  // InvalidArgument when certificate and key do not fit.
  static absl::StatusOr<std::unique_ptr<Gatekeeper>> Make(
      Options options, engine::Identities identities);

  const std::string& estate() const { return options_.estate; }
  const std::string& authority_pem() const { return options_.authority_pem; }
  // "sha256:…"
  const std::string& authority_digest() const { return authority_digest_; }
  const std::string& server_digest() const { return server_digest_; }
  absl::Time now() const { return options_.now(); }
  Sessions& sessions() { return sessions_; }

  // Whether the handshake may go on with this certificate: our authority's,
  // whatever it says and however old it is.
  absl::Status CheckHandshake(absl::string_view certificate_pem) const;

  // Nobody, when nothing was presented. Unauthenticated for a session that
  // ended, PermissionDenied for a certificate that says nothing or not ours.
  absl::StatusOr<Caller> WhoCalls(const Presented& presented);

  // Unauthenticated: come back after logging in or renewing.
  // PermissionDenied: never this one. Unimplemented: there is no such call.
  absl::Status MayCall(absl::string_view method, const Caller& caller) const;

  // Both in one. A refusal is noted for the journal, where it is known from
  // which address the call came.
  absl::StatusOr<Caller> Admit(absl::string_view method,
                               const Presented& presented);

  // For the journal: `why` holds what a reader needs to know who it was.
  void NoteRefused(runtime::Refusals::What what, absl::string_view peer,
                   absl::string_view why) const;

  // The same of what the loop answered to somebody who is logged in: only when
  // they had no right to it.
  void NoteAnswer(const OperatorId& by, absl::string_view peer,
                  const absl::Status& answer) const;

  // What the journal knows, once it does.
  void Learn(const engine::IdentityChanged& change);
  // A host that the authority itself vouched for and that nobody enrolled:
  // its key is the host's from now on, and the change is for the journal.
  // Nothing when the host has a key.
  std::optional<engine::IdentityChanged> Pin(const Caller& host);
  bool IsRevoked(const std::string& key) const;
  bool HasToken(const std::string& secret_digest, const HostId& host) const;

  // A certificate for the host. FailedPrecondition without an issuer.
  absl::StatusOr<std::string> Certify(const HostId& host,
                                      absl::string_view signing_request) const;
  absl::StatusOr<std::string> CertifyAgain(const Caller& host) const;
  bool ShouldRenew(const Caller& host) const;

 private:
  Gatekeeper(Options options, engine::Identities identities);
  absl::StatusOr<Certificate> Verified(absl::string_view pem) const;
  absl::Status CheckHost(const Caller& caller, bool may_be_expired) const;
  absl::Status NeedsIssuer() const;
  Bearer BearerFor(const HostId& host) const;

  const Options options_;
  std::string authority_digest_;
  std::string authority_key_;
  std::string server_digest_;
  std::optional<Authority> issuer_;
  Sessions sessions_;

  mutable std::mutex mutex_;
  engine::Identities identities_;  // guarded by mutex_
  // What was verified once need not be again: by the PEM's digest.
  mutable std::unordered_map<std::string, Certificate> verified_;  // the same
};

}  // namespace sluice::rpc
