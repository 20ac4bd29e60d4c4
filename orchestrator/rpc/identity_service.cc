#include "orchestrator/rpc/identity_service.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/digest.h"
#include "common/secret.h"
#include "common/status.h"
#include "common/x509.h"
#include "orchestrator/rpc/grpc_status.h"
#include "orchestrator/rpc/identity_changes.h"
#include "orchestrator/rpc/requests.h"
#include "orchestrator/rpc/tls.h"

namespace sluice::rpc {
namespace {

using What = engine::IdentityChanged::What;

constexpr size_t kSecretBytes = 32;
constexpr size_t kMaxRequest = 16 << 10;
constexpr size_t kMaxName = 64;
constexpr size_t kMaxKeyLine = 1 << 10;
constexpr size_t kMaxReason = 4000;
constexpr absl::Duration kTokenLife = absl::Hours(1);
constexpr absl::Duration kLongestTokenLife = absl::Hours(24);

// One line, "ssh-ed25519 AAAA…"; what follows is a comment and is left out.
absl::StatusOr<std::string> EvidenceKey(absl::string_view line) {
  constexpr absl::string_view kType = "ssh-ed25519 ";
  absl::string_view rest = line;
  const bool typed = absl::ConsumePrefix(&rest, kType);
  const absl::string_view key = rest.substr(0, rest.find(' '));
  const bool letters = std::all_of(key.begin(), key.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' ||
           c == '/' || c == '=';
  });
  if (!typed || key.empty() || !letters || line.size() > kMaxKeyLine) {
    return absl::InvalidArgumentError(
        "the evidence key is no ssh-ed25519 public key in one line; "
        "`sluice-agent enrol` makes one");
  }
  return absl::StrCat(kType, key);
}

void Fill(const Gatekeeper& gatekeeper, std::string certificate,
          v1::Enrolled* reply) {
  const auto facts = ReadCertificate(certificate);
  if (facts.ok()) reply->set_good_until_ms(absl::ToUnixMillis(facts->until));
  reply->set_certificate(std::move(certificate));
  reply->set_authority(gatekeeper.authority_pem());
}

}  // namespace

// ── enrolment ───────────────────────────────────────────────────────────────

void EnrolmentService::Refused(const std::string& peer,
                               const v1::EnrolRequest& request,
                               const absl::Status& why) const {
  const std::string text = absl::StrCat(
      "as host '",
      request.host().size() <= kMaxName ? request.host() : "(long)",
      "': ", std::string(why.message()));
  spdlog::warn("{}: an enrolment is refused: {}", peer, text);
  parts_.gatekeeper->NoteRefused(runtime::Refusals::What::kToken, peer, text);
}

absl::Status EnrolmentService::BeginEnrol(Context* context,
                                          const v1::EnrolRequest* asked,
                                          v1::Enrolled* reply, Unary* reactor) {
  const v1::EnrolRequest& request = *asked;
  Gatekeeper& gatekeeper = *parts_.gatekeeper;
  const std::string peer = context->peer();
  SLUICE_RETURN_IF_ERROR(parts_.attempts->Take(peer, gatekeeper.now()));
  const HostId host(request.host());
  const std::string token = Sha256(request.secret());
  // Before any of the costly work: strangers get none of it.
  if (!gatekeeper.HasToken(token, host)) {
    return absl::PermissionDeniedError(
        "the token is not good (any more) for this host: each works once, for "
        "one host, for a short time; make a new one with `sluice enrol`");
  }
  if (request.signing_request().size() > kMaxRequest) {
    return absl::InvalidArgumentError("the signing request is too long");
  }
  engine::IdentityChanged change{
      .what = What::kEnrolled, .host = host, .token = token};
  SLUICE_ASSIGN_OR_RETURN(change.key,
                          CheckSigningRequest(request.signing_request()));
  SLUICE_ASSIGN_OR_RETURN(change.evidence_key,
                          EvidenceKey(request.evidence_key()));
  // Made first: a token is used up only by a host that gets its certificate.
  SLUICE_ASSIGN_OR_RETURN(std::string certificate,
                          gatekeeper.Certify(host, request.signing_request()));
  Fill(gatekeeper, std::move(certificate), reply);
  return Record(
      parts_,
      [change](const runtime::Glimpse& glimpse)
          -> absl::StatusOr<engine::IdentityChanged> {
        SLUICE_RETURN_IF_ERROR(CheckHostIsKnown(glimpse, change.host));
        return change;
      },
      [this, peer, asked, reply, reactor](const runtime::Answer& answer) {
        if (answer.status.ok()) {
          parts_.attempts->GiveBack(peer);
        } else {
          Refused(peer, *asked, answer.status);
          reply->Clear();
        }
        reactor->Finish(ToGrpc(answer.status));
      });
}

grpc::ServerUnaryReactor* EnrolmentService::Enrol(
    Context* context, const v1::EnrolRequest* request, v1::Enrolled* reply) {
  Unary* reactor = context->DefaultReactor();
  const absl::Status status = BeginEnrol(context, request, reply, reactor);
  if (!status.ok()) {
    Refused(context->peer(), *request, status);
    reactor->Finish(ToGrpc(status));
  }
  return reactor;
}

absl::Status EnrolmentService::BeginRenew(Context* context, v1::Enrolled* reply,
                                          Unary* reactor) {
  Gatekeeper& gatekeeper = *parts_.gatekeeper;
  SLUICE_ASSIGN_OR_RETURN(
      const Caller caller,
      gatekeeper.Admit("/sluice.v1.Enrolment/Renew", PresentedIn(*context)));
  SLUICE_ASSIGN_OR_RETURN(std::string certificate,
                          gatekeeper.CertifyAgain(caller));
  Fill(gatekeeper, std::move(certificate), reply);
  return Record(
      parts_,
      [caller](const runtime::Glimpse& glimpse)
          -> absl::StatusOr<engine::IdentityChanged> {
        SLUICE_RETURN_IF_ERROR(CheckHostIsKnown(glimpse, caller.host));
        return engine::IdentityChanged{.what = What::kRenewed,
                                       .host = caller.host,
                                       .key = caller.certificate.key};
      },
      [reply, reactor](const runtime::Answer& answer) {
        if (!answer.status.ok()) reply->Clear();
        reactor->Finish(ToGrpc(answer.status));
      });
}

grpc::ServerUnaryReactor* EnrolmentService::Renew(Context* context,
                                                  const v1::RenewRequest*,
                                                  v1::Enrolled* reply) {
  Unary* reactor = context->DefaultReactor();
  const absl::Status status = BeginRenew(context, reply, reactor);
  if (!status.ok()) reactor->Finish(ToGrpc(status));
  return reactor;
}

// ── identities ──────────────────────────────────────────────────────────────

grpc::ServerUnaryReactor* IdentityService::MakeToken(
    Context* context, const v1::MakeTokenRequest* request, v1::Token* reply) {
  Unary* reactor = context->DefaultReactor();
  Gatekeeper& gatekeeper = *parts_.gatekeeper;
  const absl::StatusOr<Caller> caller = gatekeeper.Admit(
      "/sluice.v1.Identities/MakeToken", PresentedIn(*context));
  absl::Status status = caller.status();
  const absl::Duration life = request->good_for_ms() == 0
                                  ? kTokenLife
                                  : absl::Milliseconds(request->good_for_ms());
  if (status.ok() &&
      (life <= absl::ZeroDuration() || life > kLongestTokenLife)) {
    status = absl::InvalidArgumentError(
        "a token is good for a day at most; ask for less");
  }
  if (status.ok()) {
    const std::string secret = RandomHex(kSecretBytes);
    status = Record(
        parts_,
        [by = caller->who, host = HostId(request->host()), life, secret, reply,
         &gatekeeper](const runtime::Glimpse& glimpse)
            -> absl::StatusOr<engine::IdentityChanged> {
          SLUICE_RETURN_IF_ERROR(CheckApprover(glimpse, by, "enrol hosts"));
          SLUICE_RETURN_IF_ERROR(CheckHostIsKnown(glimpse, host));
          const absl::Time until = glimpse.now + life;
          for (const std::string& address :
               glimpse.engine.plan()->management.orchestrators) {
            reply->add_orchestrators(address);
          }
          reply->set_secret(secret);
          reply->set_until_ms(absl::ToUnixMillis(until));
          reply->set_authority_digest(gatekeeper.authority_digest());
          reply->set_estate(gatekeeper.estate());
          return engine::IdentityChanged{.what = What::kTokenMade,
                                         .host = host,
                                         .by = by,
                                         .token = Sha256(secret),
                                         .until = until};
        },
        [this, by = caller->who, peer = context->peer(), reply,
         reactor](const runtime::Answer& answer) {
          parts_.gatekeeper->NoteAnswer(by, peer, answer.status);
          if (!answer.status.ok()) reply->Clear();
          reply->set_sequence(answer.sequence);
          reactor->Finish(ToGrpc(answer.status));
        });
  }
  if (!status.ok()) reactor->Finish(ToGrpc(status));
  return reactor;
}

grpc::ServerUnaryReactor* IdentityService::Revoke(
    Context* context, const v1::RevokeRequest* request, v1::Revoked* reply) {
  Unary* reactor = context->DefaultReactor();
  const absl::StatusOr<Caller> caller = parts_.gatekeeper->Admit(
      "/sluice.v1.Identities/Revoke", PresentedIn(*context));
  absl::Status status = caller.status();
  const bool key = absl::StartsWith(request->key(), "SHA256:")
                       ? request->key().size() < kMaxKeyLine
                       : IsDigest(request->key());
  if (status.ok() && request->host().empty() && !key) {
    status = absl::InvalidArgumentError(
        "what to revoke is not said; name a host, or a key as `sluice "
        "identities` or `ssh-keygen -l` shows it");
  }
  if (status.ok() && request->reason().size() > kMaxReason) {
    status = absl::InvalidArgumentError("the reason is too long; shorten it");
  }
  if (status.ok()) {
    status = Record(
        parts_,
        [by = caller->who, request](const runtime::Glimpse& glimpse)
            -> absl::StatusOr<engine::IdentityChanged> {
          SLUICE_RETURN_IF_ERROR(
              CheckApprover(glimpse, by, "revoke identities"));
          return engine::IdentityChanged{.what = What::kRevoked,
                                         .host = HostId(request->host()),
                                         .by = by,
                                         .key = request->key(),
                                         .reason = request->reason()};
        },
        [this, by = caller->who, peer = context->peer(), reply,
         reactor](const runtime::Answer& answer) {
          parts_.gatekeeper->NoteAnswer(by, peer, answer.status);
          reply->set_sequence(answer.sequence);
          reply->set_message(answer.message);
          reactor->Finish(ToGrpc(answer.status));
        });
  }
  if (!status.ok()) reactor->Finish(ToGrpc(status));
  return reactor;
}

grpc::ServerUnaryReactor* IdentityService::List(Context* context,
                                                const v1::ListRequest*,
                                                v1::IdentityList* reply) {
  Unary* reactor = context->DefaultReactor();
  absl::Status status =
      parts_.gatekeeper
          ->Admit("/sluice.v1.Identities/List", PresentedIn(*context))
          .status();
  if (status.ok()) {
    status = parts_.inbox->LookAt([registry = parts_.registry, reply,
                                   reactor](const runtime::Glimpse& glimpse) {
      const engine::Identities& known = glimpse.engine.identities();
      for (const PlannedHost& planned : glimpse.engine.plan()->hosts) {
        if (!planned.has_agent()) continue;
        v1::IdentityList::Host* host = reply->add_hosts();
        host->set_id(planned.id.str());
        host->set_connected(registry->IsAttached(planned.id));
        const engine::Identities::Host* has = known.Find(planned.speaker());
        if (has == nullptr) continue;
        host->set_key(has->key);
        host->set_evidence_key(has->evidence_key);
        host->set_since_ms(absl::ToUnixMillis(has->since));
      }
      for (const auto& [secret, token] : known.tokens()) {
        if (glimpse.now >= token.until) continue;
        v1::IdentityList::Waiting* waiting = reply->add_tokens();
        waiting->set_host(token.host.str());
        waiting->set_by(token.by.str());
        waiting->set_until_ms(absl::ToUnixMillis(token.until));
      }
      for (const std::string& key : known.revoked()) reply->add_revoked(key);
      reactor->Finish(grpc::Status::OK);
    });
  }
  if (!status.ok()) reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace sluice::rpc
