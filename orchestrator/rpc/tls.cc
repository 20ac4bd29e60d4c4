#include "orchestrator/rpc/tls.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server_context.h>

#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/tls13.h"
#include "orchestrator/rpc/access.h"
#include "orchestrator/rpc/grpc_status.h"

namespace sluice::rpc {
namespace {

namespace tls = grpc::experimental;

constexpr size_t kLongestMethod = 80;

// Whoever shows a certificate shows one that the authority stands behind, or
// is not let in; that they hold its key, TLS itself has checked. Whoever shows
// none is let in as nobody. Age is looked at call by call: a host whose
// certificate expired in quarantine may renew it.
class HandshakeCheck : public tls::ExternalCertificateVerifier {
 public:
  explicit HandshakeCheck(const Gatekeeper* gatekeeper)
      : gatekeeper_(gatekeeper) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    const grpc::string_ref pem = request->peer_cert();
    *sync_status = ToGrpc(
        gatekeeper_->CheckHandshake(absl::string_view(pem.data(), pem.size())));
    return true;  // decided at once
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  const Gatekeeper* const gatekeeper_;
};

std::string CertificateIn(const grpc::AuthContext* context) {
  if (context == nullptr) return "";
  const std::vector<grpc::string_ref> pems =
      context->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  return pems.size() == 1 ? std::string(pems[0].data(), pems[0].size()) : "";
}

std::string ValueIn(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
    const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return "";
  return std::string(found->second.data(), found->second.size());
}

// A call of the table that a service of ours answers.
bool IsOurs(const std::string& method) {
  return absl::StartsWith(method, "/sluice.v1.") && FindRule(method) != nullptr;
}

// Refuses what the table does not allow. gRPC asks it for every call of every
// service, those that nobody here wrote among them.
class CallCheck : public grpc::AuthMetadataProcessor {
 public:
  explicit CallCheck(Gatekeeper* gatekeeper) : gatekeeper_(gatekeeper) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata,
                       grpc::AuthContext* context, OutputMetadata*,
                       OutputMetadata*) override {
    const std::string method = ValueIn(metadata, ":path");
    const absl::Status may =
        gatekeeper_
            ->Admit(method, {.certificate_pem = CertificateIn(context),
                             .session = ValueIn(metadata, kSessionKey)})
            .status();
    // gRPC does not say here from where a call comes. Our own services ask the
    // gatekeeper again as the first thing they do, with the address, which the
    // record of a refusal needs; what nobody of ours serves ends here.
    if (may.ok() || IsOurs(method)) return grpc::Status::OK;
    gatekeeper_->NoteRefused(
        runtime::Refusals::What::kCall, "",
        absl::StrCat(method.substr(0, kLongestMethod), ": ", may.message()));
    return ToGrpc(may);
  }

 private:
  Gatekeeper* const gatekeeper_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(
    const std::string& certificate, const std::string& key,
    Gatekeeper* gatekeeper) {
  AllowOnlyTls13();
  tls::TlsServerCredentialsOptions options(
      std::make_shared<tls::StaticDataCertificateProvider>(
          std::vector<tls::IdentityKeyCertPair>{{key, certificate}}));
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(
      GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<HandshakeCheck>(gatekeeper));
  options.set_check_call_host(false);
  auto credentials = tls::TlsServerCredentials(options);
  credentials->SetAuthMetadataProcessor(
      std::make_shared<CallCheck>(gatekeeper));
  return credentials;
}

Presented PresentedIn(const grpc::ServerContextBase& context) {
  return {.certificate_pem = CertificateIn(context.auth_context().get()),
          .session = ValueIn(context.client_metadata(), kSessionKey),
          .peer = context.peer()};
}

std::string ActsForIn(const grpc::ServerContextBase& context) {
  return ValueIn(context.client_metadata(), kActsForKey);
}

}  // namespace sluice::rpc
