#include "agents/link/tls.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "common/tls13.h"
#include "common/x509.h"

namespace sluice::agent {
namespace {

namespace tls = grpc::experimental;

constexpr int kMaxMessage = 64 << 20;
constexpr char kServerName[] = "orchestrator.sluice";

absl::string_view View(grpc::string_ref text) {
  return absl::string_view(text.data(), text.size());
}

// Refuses every server but the orchestrator of one estate.
class ServerCheck : public tls::ExternalCertificateVerifier {
 public:
  // `authority` is a PEM, or the digest of one that the server shows.
  ServerCheck(std::string authority, EstateId estate)
      : authority_(std::move(authority)), estate_(std::move(estate)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    const absl::Status status = Check(View(request->peer_cert()),
                                      View(request->peer_cert_full_chain()));
    *sync_status = status.ok() ? grpc::Status::OK
                               : grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                              std::string(status.message()));
    return true;  // decided at once
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  absl::StatusOr<std::string> Authority(absl::string_view chain) const {
    if (!absl::StartsWith(authority_, "sha256:")) return authority_;
    for (const std::string& one : SplitPem(chain)) {
      const auto shown = ReadCertificate(one);
      if (shown.ok() && shown->digest == authority_) return one;
    }
    return absl::PermissionDeniedError(
        "what answers does not show the authority that the token names");
  }

  absl::Status Check(absl::string_view leaf, absl::string_view chain) const {
    SLUICE_ASSIGN_OR_RETURN(const std::string authority, Authority(chain));
    SLUICE_ASSIGN_OR_RETURN(
        const Certificate server,
        VerifyCertificate(leaf, "", authority, CertificateUse::kServer));
    const bool named =
        server.uris.size() == 1 &&
        (estate_.empty()
             ? absl::EndsWith(server.uris[0], "/orchestrator")
             : server.uris[0] ==
                   absl::StrCat("sluice://", estate_.str(), "/orchestrator"));
    if (named) return absl::OkStatus();
    return absl::PermissionDeniedError(
        "what answers is not the orchestrator of this estate");
  }

  const std::string authority_;
  const EstateId estate_;
};

std::shared_ptr<grpc::ChannelCredentials> Credentials(
    tls::TlsChannelCredentialsOptions options, std::string authority,
    const EstateId& estate) {
  // Ours alone decides: gRPC's own check would look at the clock.
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<ServerCheck>(
          std::move(authority), estate));
  return tls::TlsCredentials(options);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> HostCredentials(
    const std::string& certificate, const std::string& key,
    const std::string& authority, const EstateId& estate) {
  AllowOnlyTls13();
  SLUICE_ASSIGN_OR_RETURN(const Certificate own, ReadCertificate(certificate));
  SLUICE_ASSIGN_OR_RETURN(const std::string digest, KeyDigest(key));
  if (own.key != digest) {
    return absl::InvalidArgumentError(
        "the host's certificate is not for its key; enrol the host anew with "
        "`sluice-agent enrol`");
  }
  SLUICE_RETURN_IF_ERROR(ReadCertificate(authority).status());
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<tls::StaticDataCertificateProvider>(
          authority,
          std::vector<tls::IdentityKeyCertPair>{{key, certificate}}));
  options.watch_identity_key_cert_pairs();
  // Without a root of its own gRPC would read and keep all that this machine
  // believes: 150 authorities and 2 MB, that nobody ever asks.
  options.watch_root_certs();
  return Credentials(std::move(options), authority, estate);
}

std::shared_ptr<grpc::ChannelCredentials> TokenCredentials(
    const std::string& authority_digest, const EstateId& estate) {
  AllowOnlyTls13();
  return Credentials(tls::TlsChannelCredentialsOptions(), authority_digest,
                     estate);
}

grpc::ChannelArguments LinkArguments(absl::Duration patience) {
  grpc::ChannelArguments arguments;
  // gRPC's own limit on connecting, TLS included.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(patience)));
  arguments.SetString(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, kServerName);
  // A dead link is noticed in 25 seconds, silence or not. No sooner: while
  // thousands of agents come back an orchestrator answers pings late, and to
  // hang up for that would begin the storm anew.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Measuring the line costs pings and timers at every heartbeat. Instead, what
  // is read ahead of us is fixed: 1 MiB lets a long order come at speed.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1 << 20);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetMaxReceiveMessageSize(kMaxMessage);
  return arguments;
}

}  // namespace sluice::agent
