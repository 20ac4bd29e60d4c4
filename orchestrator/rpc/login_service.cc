#include "orchestrator/rpc/login_service.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/secret.h"
#include "common/sshsig.h"
#include "common/status.h"
#include "orchestrator/rpc/grpc_status.h"
#include "orchestrator/rpc/identity_changes.h"
#include "orchestrator/rpc/tls.h"

namespace sluice::rpc {
namespace {

using What = engine::IdentityChanged::What;

// Time enough to find the hardware key and touch it.
constexpr absl::Duration kChallengeLife = absl::Minutes(2);
constexpr size_t kNonceBytes = 16;
constexpr size_t kSecretBytes = 32;
constexpr size_t kMaxName = 128;
constexpr size_t kMaxSignature = 16 << 10;

absl::Status NotHim() {
  // One sentence for all of these: who guesses learns nothing from it.
  return absl::PermissionDeniedError(
      "this key may not log in as this operator: the manifest in force names "
      "no such approver, another key for them, or the key was revoked; look at "
      "`approvers:` in the manifest and at `ssh-keygen -l`");
}

}  // namespace

LoginService::LoginService(IdentityParts parts)
    : parts_(std::move(parts)), secret_(RandomHex(kSecretBytes)) {}

grpc::ServerUnaryReactor* LoginService::Challenge(
    Context* context, const v1::ChallengeRequest* request,
    v1::LoginChallenge* reply) {
  Unary* reactor = context->DefaultReactor();
  const Gatekeeper& gatekeeper = *parts_.gatekeeper;
  absl::Status status =
      parts_.attempts->Take(context->peer(), gatekeeper.now());
  const std::string& name = request->operator_();
  if (status.ok() && (name.empty() || name.size() > kMaxName ||
                      name.find('\n') != std::string::npos)) {
    status = absl::InvalidArgumentError(
        "who wants to log in is not said; name the approver of the manifest");
  }
  if (status.ok()) {
    LoginText text{.estate = EstateId(gatekeeper.estate()),
                   .who = OperatorId(name),
                   .server = gatekeeper.server_digest(),
                   .nonce = RandomHex(kNonceBytes),
                   .until = gatekeeper.now() + kChallengeLife};
    text.mark = Hmac(secret_, text.Unmarked());
    reply->set_text(text.Text());
  } else {
    Refused(context->peer(), status.message());
  }
  reactor->Finish(ToGrpc(status));
  return reactor;
}

absl::Status LoginService::CheckText(const LoginText& text, absl::Time now) {
  const Gatekeeper& gatekeeper = *parts_.gatekeeper;
  if (!SameSecret(text.mark, Hmac(secret_, text.Unmarked())) ||
      text.estate.str() != gatekeeper.estate() ||
      text.server != gatekeeper.server_digest()) {
    return absl::PermissionDeniedError(
        "this is not a challenge of this orchestrator (since it started); ask "
        "for a new one");
  }
  if (now < text.until) return absl::OkStatus();
  return absl::PermissionDeniedError(
      "the challenge was signed too late; ask for a new one and sign it within "
      "two minutes");
}

absl::Status LoginService::UseNonce(const LoginText& text, absl::Time now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(used_, [&](const auto& one) { return now >= one.second; });
  if (used_.try_emplace(text.nonce, text.until).second) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      "this challenge was used before; ask for a new one");
}

void LoginService::RecordLogin(engine::IdentityChanged change) {
  const std::string who = change.by.str();
  const absl::Status recorded = Record(
      parts_,
      [change = std::move(change)](const runtime::Glimpse&)
          -> absl::StatusOr<engine::IdentityChanged> { return change; },
      [who](const runtime::Answer& answer) {
        if (answer.status.ok()) return;
        spdlog::warn("{} is logged in, which is not recorded: {}", who,
                     std::string(answer.status.message()));
      });
  if (!recorded.ok()) {
    spdlog::warn("{} is logged in, which is not recorded: {}", who,
                 std::string(recorded.message()));
  }
}

void LoginService::Refused(const std::string& peer,
                           absl::string_view why) const {
  spdlog::warn("{}: a login is refused: {}", peer, std::string(why));
  parts_.gatekeeper->NoteRefused(runtime::Refusals::What::kLogin, peer, why);
}

absl::Status LoginService::BeginLogin(const std::string& peer,
                                      const v1::LoginRequest& request,
                                      v1::Session* reply, Unary* reactor) {
  const absl::Time now = parts_.gatekeeper->now();
  SLUICE_RETURN_IF_ERROR(parts_.attempts->Take(peer, now));
  SLUICE_ASSIGN_OR_RETURN(const LoginText text,
                          LoginText::Parse(request.text()));
  SLUICE_RETURN_IF_ERROR(CheckText(text, now));
  if (request.signature().size() > kMaxSignature) {
    return absl::InvalidArgumentError("the signature is too long to be one");
  }
  // Here, and not on the loop's thread: whose key it may be is asked there.
  SLUICE_ASSIGN_OR_RETURN(const SshPublicKey signer,
                          SignerOf(request.signature()));
  SLUICE_RETURN_IF_ERROR(VerifySsh(signer, signed_as::kLogin, request.text(),
                                   request.signature()));
  SLUICE_RETURN_IF_ERROR(UseNonce(text, now));
  return parts_.inbox->LookAt([this, peer, text, signer, request, reply,
                               reactor, now](const runtime::Glimpse& glimpse) {
    const auto plan = glimpse.engine.plan();
    const Approver* approver =
        plan == nullptr ? nullptr : plan->FindApprover(text.who);
    const auto key = approver == nullptr
                         ? absl::StatusOr<SshPublicKey>(NotHim())
                         : SshPublicKey::Parse(approver->key);
    const std::string fingerprint = signer.Fingerprint();
    if (!key.ok() || !(*key == signer) ||
        parts_.gatekeeper->IsRevoked(fingerprint)) {
      Refused(peer, absl::StrCat("as ",
                                 approver == nullptr ? "somebody unknown"
                                                     : text.who.str(),
                                 " with key ", fingerprint));
      return reactor->Finish(ToGrpc(NotHim()));
    }
    Sessions& sessions = parts_.gatekeeper->sessions();
    reply->set_token(sessions.Open(text.who, fingerprint, peer, now));
    reply->set_operator_(text.who.str());
    for (const RoleId& role : approver->roles) reply->add_roles(role.str());
    reply->set_until_ms(absl::ToUnixMillis(now + sessions.options().life));
    reply->set_idle_ms(absl::ToInt64Milliseconds(sessions.options().idle));
    parts_.attempts->GiveBack(peer);  // the login
    parts_.attempts->GiveBack(peer);  // and its challenge
    RecordLogin({.what = What::kLoggedIn,
                 .by = text.who,
                 .key = fingerprint,
                 .text = request.text(),
                 .signature = request.signature()});
    reactor->Finish(grpc::Status::OK);
  });
}

grpc::ServerUnaryReactor* LoginService::Login(Context* context,
                                              const v1::LoginRequest* request,
                                              v1::Session* reply) {
  Unary* reactor = context->DefaultReactor();
  const absl::Status status =
      BeginLogin(context->peer(), *request, reply, reactor);
  if (!status.ok()) {
    Refused(context->peer(), status.message());
    reactor->Finish(ToGrpc(status));
  }
  return reactor;
}

grpc::ServerUnaryReactor* LoginService::Logout(Context* context,
                                               const v1::LogoutRequest*,
                                               v1::LoggedOut*) {
  Unary* reactor = context->DefaultReactor();
  const absl::StatusOr<Caller> caller = parts_.gatekeeper->Admit(
      "/sluice.v1.Login/Logout", PresentedIn(*context));
  if (caller.ok() && !caller->session.empty()) {
    parts_.gatekeeper->sessions().Close(caller->session);
    RecordLogin({.what = What::kLoggedOut, .by = caller->who});
    parts_.inbox->Wake();  // the session's streams end at the next turn
  }
  reactor->Finish(ToGrpc(caller.status()));
  return reactor;
}

}  // namespace sluice::rpc
