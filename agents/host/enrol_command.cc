#include "agents/host/enrol_command.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <istream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agents/host/evidence_key.h"
#include "common/digest.h"
#include "common/private.h"
#include "common/sshsig.h"
#include "common/status.h"
#include "common/x509.h"

namespace sluice::agent {
namespace {

absl::Status Errno(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(
      errno, absl::StrCat(path, ": cannot ", what, " this file"));
}

absl::Status MoveInPlace(const std::string& path) {
  if (rename((path + ".new").c_str(), path.c_str()) == 0) {
    return absl::OkStatus();
  }
  return Errno("replace", path);
}

}  // namespace

absl::Status WriteSecretFile(const std::string& path, const std::string& text) {
  const std::string draft = path + ".new";
  const int fd =
      open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
           0600);
  if (fd < 0) return Errno("write", draft);
  absl::string_view rest = text;
  bool good = fchmod(fd, 0600) == 0;
  while (good && !rest.empty()) {
    const ssize_t wrote = write(fd, rest.data(), rest.size());
    if (wrote > 0) rest.remove_prefix(static_cast<size_t>(wrote));
    good = wrote > 0 || (wrote < 0 && errno == EINTR);
  }
  good = good && fsync(fd) == 0;
  const absl::Status failed = good ? absl::OkStatus() : Errno("write", draft);
  close(fd);
  SLUICE_RETURN_IF_ERROR(failed);
  return MoveInPlace(path);
}

absl::Status CheckRenewed(const std::string& path, const std::string& renewed) {
  std::ifstream file(path, std::ios::binary);
  const std::string present((std::istreambuf_iterator<char>(file)), {});
  SLUICE_ASSIGN_OR_RETURN(const Certificate before, ReadCertificate(present));
  SLUICE_ASSIGN_OR_RETURN(const Certificate after, ReadCertificate(renewed));
  if (before.key == after.key && before.uris == after.uris) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      "the renewed certificate is for another key or another host; it was not "
      "taken");
}

absl::StatusOr<EnrolToken> ReadToken(const std::string& file,
                                     std::istream& in) {
  if (absl::StartsWith(file, "sluice-token-")) {
    return absl::InvalidArgumentError(
        "a token on the command line can be read by every process of this "
        "host, so it is not taken from there; give it on standard input or in "
        "a file. Make a new one if others use this host.");
  }
  std::string line;
  if (file.empty() || file == "-") {
    std::getline(in, line);
  } else {
    std::ifstream from(file);
    if (!from) return Errno("read", file);
    std::getline(from, line);
  }
  return EnrolToken::Parse(line);
}

absl::StatusOr<std::string> EnrolHost(const AgentConfig& config,
                                      const EnrolToken& token,
                                      const Enroller& enrol) {
  if (token.estate != config.estate || token.host != config.host) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the token is for host ", token.host.str(), " of estate ",
        token.estate.str(), " and this is host ", config.host.str(), " of ",
        config.estate.str(), "; make one with `sluice enrol --host ",
        config.host.str(), "`"));
  }
  SLUICE_ASSIGN_OR_RETURN(const std::string key, MakeKey());
  SLUICE_ASSIGN_OR_RETURN(const std::string digest, KeyDigest(key));
  SLUICE_ASSIGN_OR_RETURN(const std::string request,
                          MakeSigningRequest(key, config.host.str()));
  SLUICE_ASSIGN_OR_RETURN(const SshSigner signer,
                          LoadOrMakeEvidenceKey(config.evidence_key));
  const std::string evidence = signer.public_key().Line();
  SLUICE_ASSIGN_OR_RETURN(const Enrolment enrolment,
                          enrol(token, request, evidence));
  SLUICE_ASSIGN_OR_RETURN(const Certificate certificate,
                          ReadCertificate(enrolment.certificate));
  if (certificate.key != digest) {
    return absl::InternalError(
        "the orchestrator certified another key than this host's; tell "
        "whoever runs it");
  }
  // The key last: until then the host is who it was.
  SLUICE_RETURN_IF_ERROR(
      WriteSecretFile(config.authority, enrolment.authority));
  SLUICE_RETURN_IF_ERROR(
      WriteSecretFile(config.certificate, enrolment.certificate));
  SLUICE_RETURN_IF_ERROR(WriteSecretFile(config.key, key));
  SLUICE_RETURN_IF_ERROR(CheckPrivate(config.key));
  return absl::StrCat(
      "host ", config.host.str(), " is enrolled with key ", ShortDigest(digest),
      "\nand signs its evidence with ", signer.public_key().Fingerprint(), "\n",
      evidence,
      "\nCompare with `sluice identities`, and the line with hosts.keys beside "
      "your\nmanifest; then start or restart sluice-agent.");
}

}  // namespace sluice::agent
