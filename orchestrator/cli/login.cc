#include "orchestrator/cli/login.h"

#include <fcntl.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/login_text.h"
#include "common/signature.h"
#include "common/status.h"
#include "common/x509.h"
#include "orchestrator/cli/client_error.h"
#include "orchestrator/cli/files.h"
#include "orchestrator/cli/sign.h"
#include "sluice/v1/identity.grpc.pb.h"

namespace sluice::cli {
namespace {

constexpr size_t kLongestSession = 256;
constexpr absl::Duration kPatience = absl::Seconds(10);

std::string SessionFile(const ClientConfig& config) {
  return absl::StrCat(config.file, ".session");
}

// Kept when it can be: without the file every command logs in anew.
void Store(const ClientConfig& config, const std::string& token) {
  const std::string path = SessionFile(config);
  unlink(path.c_str());
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (write(fd, token.data(), token.size()) !=
      static_cast<ssize_t>(token.size())) {
    unlink(path.c_str());
  }
  close(fd);
}

// The certificate that the server showed on this call's connection.
absl::StatusOr<Certificate> ServerOf(const grpc::ClientContext& context) {
  const auto peer = context.auth_context();
  std::vector<grpc::string_ref> pems;
  if (peer != nullptr) {
    pems = peer->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  }
  if (pems.size() != 1) {
    return absl::InternalError("the server's certificate cannot be seen");
  }
  return ReadCertificate(absl::string_view(pems[0].data(), pems[0].size()));
}

// Nothing is signed that is not ours: another's challenge, passed on by
// whoever answers here, names another server or another person.
absl::Status CheckChallenge(const std::string& text, const ClientConfig& config,
                            const Certificate& server) {
  SLUICE_ASSIGN_OR_RETURN(const LoginText said, LoginText::Parse(text));
  const std::string uri =
      absl::StrCat("sluice://", said.estate.str(), "/orchestrator");
  if (said.who.str() == config.who && said.server == server.digest &&
      server.uris == std::vector<std::string>{uri}) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      "the orchestrator asks for a signature that is not for this login: "
      "another operator, estate or server. Nothing was signed. Tell whoever "
      "runs it.");
}

absl::Status Failed(const grpc::Status& status, const std::string& who) {
  return absl::Status(
      static_cast<absl::StatusCode>(status.error_code()),
      absl::StrCat(who, " could not log in: ", status.error_message()));
}

}  // namespace

bool NeedsLogin(int grpc_code) {
  return grpc_code == grpc::StatusCode::UNAUTHENTICATED;
}

std::string StoredSession(const ClientConfig& config) {
  const std::string path = SessionFile(config);
  struct stat facts {};
  // Somebody else's file, or one that others read, is no secret of ours.
  if (stat(path.c_str(), &facts) != 0 || facts.st_uid != geteuid() ||
      (facts.st_mode & 077) != 0) {
    return "";
  }
  auto token = ReadWholeFile(path, kLongestSession);
  return token.ok() ? *token : "";
}

void ForgetSession(const ClientConfig& config) {
  unlink(SessionFile(config).c_str());
}

absl::StatusOr<std::string> LogIn(const std::shared_ptr<grpc::Channel>& channel,
                                  const ClientConfig& config) {
  // Before the network is asked: most often it is the key that is missing.
  SLUICE_ASSIGN_OR_RETURN(const std::string key, FindSigningKey("", config));
  const auto stub = v1::Login::NewStub(channel);
  v1::ChallengeRequest ask;
  ask.set_operator_(config.who);
  v1::LoginChallenge challenge;
  grpc::ClientContext asking;
  asking.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  grpc::Status status = stub->Challenge(&asking, ask, &challenge);
  if (!status.ok()) return Failed(status, config.who);
  SLUICE_ASSIGN_OR_RETURN(const Certificate server, ServerOf(asking));
  SLUICE_RETURN_IF_ERROR(CheckChallenge(challenge.text(), config, server));

  v1::LoginRequest request;
  request.set_text(challenge.text());
  SLUICE_ASSIGN_OR_RETURN(*request.mutable_signature(),
                          SignText(key, signed_as::kLogin, challenge.text()));
  v1::Session session;
  grpc::ClientContext logging_in;
  logging_in.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  status = stub->Login(&logging_in, request, &session);
  if (!status.ok()) return Failed(status, config.who);
  Store(config, session.token());
  return session.token();
}

}  // namespace sluice::cli
