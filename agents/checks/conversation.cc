#include "agents/checks/conversation.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/checks/connect.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

absl::Status Late() {
  return absl::DeadlineExceededError("no answer within the check's time");
}

// Of this thread's last failure in OpenSSL.
std::string TlsReason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "the connection ended" : reason;
}

}  // namespace

Conversation::~Conversation() {
  if (fd_ >= 0) close(fd_);
}

absl::Status Conversation::Connect() {
  const absl::Duration left = until_ - absl::Now();
  if (left <= absl::ZeroDuration()) return Late();
  const int error =
      agent::Connect(std::nullopt, place_, port_, left, stop_, fd_);
  if (error == 0) return absl::OkStatus();
  fd_ = -1;
  if (error == ECANCELED) return absl::CancelledError(ConnectError(error));
  return absl::UnavailableError(ConnectError(error));
}

absl::Status Conversation::Wait(short events) const {
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(
        absl::Ceil(until_ - absl::Now(), absl::Milliseconds(1)));
    pollfd entries[] = {{.fd = fd_, .events = events, .revents = 0},
                        {.fd = stop_.fd(), .events = POLLIN, .revents = 0}};
    const int ready = poll(
        entries, 2,
        static_cast<int>(std::clamp<int64_t>(left, 0, 24 * 60 * 60 * 1000)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return absl::InternalError(std::strerror(errno));
    if (ready == 0) return Late();
    if (entries[1].revents != 0) {
      return absl::CancelledError(ConnectError(ECANCELED));
    }
    return absl::OkStatus();
  }
}

absl::Status Conversation::WaitForTls(int result,
                                      absl::string_view what) const {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Wait(POLLIN);
    case SSL_ERROR_WANT_WRITE:
      return Wait(POLLOUT);
  }
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (!SSL_is_init_finished(ssl_.get()) && verdict != X509_V_OK) {
    ERR_clear_error();
    return absl::FailedPreconditionError(
        absl::StrCat("its certificate is not good: ",
                     X509_verify_cert_error_string(verdict)));
  }
  return absl::FailedPreconditionError(absl::StrCat(what, ": ", TlsReason()));
}

absl::Status Conversation::StartTls(const std::string& name,
                                    const std::string& authorities) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (context_ == nullptr) return absl::ResourceExhaustedError(TlsReason());
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  const int trusts =
      authorities.empty()
          ? SSL_CTX_set_default_verify_paths(context_.get())
          : SSL_CTX_load_verify_file(context_.get(), authorities.c_str());
  if (trusts != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("the certificates of ",
                     authorities.empty() ? "the system" : authorities,
                     " cannot be read: ", TlsReason()));
  }
  ssl_.reset(SSL_new(context_.get()));
  if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), fd_) != 1) {
    return absl::ResourceExhaustedError(TlsReason());
  }
  X509_VERIFY_PARAM* asked = SSL_get0_param(ssl_.get());
  const bool set =
      name.empty()
          ? X509_VERIFY_PARAM_set1_ip_asc(asked, place_.Address().c_str()) == 1
          : X509_VERIFY_PARAM_set1_host(asked, name.c_str(), 0) == 1 &&
                SSL_set_tlsext_host_name(ssl_.get(), name.c_str()) == 1;
  if (!set) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat("'", name, "' is no name that a certificate can be for"));
  }
  while (true) {
    ERR_clear_error();
    const int result = SSL_connect(ssl_.get());
    if (result == 1) return absl::OkStatus();
    SLUICE_RETURN_IF_ERROR(WaitForTls(result, "no TLS comes up"));
  }
}

std::optional<int> Conversation::CertificateDays() const {
  if (ssl_ == nullptr) return std::nullopt;
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  tm end = {};
  if (certificate == nullptr ||
      ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) {
    return std::nullopt;
  }
  return static_cast<int>((absl::FromTimeT(timegm(&end)) - absl::Now()) /
                          absl::Hours(24));
}

absl::Status Conversation::Write(absl::string_view text) {
  while (!text.empty()) {
    ssize_t written = -1;
    if (ssl_ != nullptr) {
      ERR_clear_error();
      written =
          SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
      if (written <= 0) {
        SLUICE_RETURN_IF_ERROR(
            WaitForTls(static_cast<int>(written), "it ended"));
        continue;
      }
    } else {
      written = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (written < 0 && errno == EAGAIN) {
        SLUICE_RETURN_IF_ERROR(Wait(POLLOUT));
        continue;
      }
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        return absl::FailedPreconditionError(std::strerror(errno));
      }
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> Conversation::Read(char* buffer, size_t size) {
  while (true) {
    if (ssl_ != nullptr) {
      ERR_clear_error();
      const int got = SSL_read(ssl_.get(), buffer, static_cast<int>(size));
      if (got > 0) return static_cast<size_t>(got);
      if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN) return 0u;
      SLUICE_RETURN_IF_ERROR(WaitForTls(got, "it ended"));
      continue;
    }
    const ssize_t got = recv(fd_, buffer, size, 0);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      return absl::FailedPreconditionError(std::strerror(errno));
    }
    SLUICE_RETURN_IF_ERROR(Wait(POLLIN));
  }
}

}  // namespace sluice::agent
