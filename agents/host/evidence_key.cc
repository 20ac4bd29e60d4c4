#include "agents/host/evidence_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxBytes = 4096;

absl::StatusOr<SshSigner> Read(const std::string& path, int file) {
  struct stat found;
  if (fstat(file, &found) != 0) return absl::ErrnoToStatus(errno, path);
  if ((found.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        path,
        ": others may read this key; remove it, and have the host's new key "
        "written to hosts.keys (`sluice-agent evidence-key`)"));
  }
  std::string pem(kMaxBytes, '\0');
  const ssize_t size = read(file, pem.data(), pem.size());
  if (size < 0) return absl::ErrnoToStatus(errno, path);
  pem.resize(static_cast<size_t>(size));
  absl::StatusOr<SshSigner> signer = SshSigner::FromPem(pem);
  if (signer.ok()) return signer;
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", signer.status().message()));
}

}  // namespace

absl::StatusOr<SshSigner> LoadOrMakeEvidenceKey(const std::string& path) {
  const int there = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (there >= 0) {
    const absl::Cleanup close_it = [&] { close(there); };
    return Read(path, there);
  }
  if (errno != ENOENT) return absl::ErrnoToStatus(errno, path);
  SshSigner signer = SshSigner::Make();
  const std::string pem = signer.Pem();
  // Whole or not at all: half a key would stop the agent at its next start.
  const std::string draft = absl::StrCat(path, ".new");
  unlink(draft.c_str());
  const int file = open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                        S_IRUSR | S_IWUSR);
  if (file < 0) return absl::ErrnoToStatus(errno, draft);
  const bool written =
      write(file, pem.data(), pem.size()) == static_cast<ssize_t>(pem.size()) &&
      fsync(file) == 0;
  const int problem = errno;
  close(file);
  if (!written) return absl::ErrnoToStatus(problem, draft);
  if (rename(draft.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  return signer;
}

}  // namespace sluice::agent
