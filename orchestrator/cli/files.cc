#include "orchestrator/cli/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/contract.h"
#include "common/status.h"

namespace sluice::cli {
namespace {

absl::Status ErrnoStatus(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " '", path, "'"));
}

// Feeds the file to `take`, piece by piece.
absl::Status ReadPieces(
    const std::string& path,
    const std::function<absl::Status(absl::string_view)>& take) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus("cannot read", path);
  const auto close_it = absl::MakeCleanup([fd] { close(fd); });
  struct stat facts {};
  if (fstat(fd, &facts) != 0) return ErrnoStatus("cannot read", path);
  if (S_ISDIR(facts.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' is a directory; name a file"));
  }
  std::array<char, 1 << 16> buffer;
  while (true) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("cannot read", path);
    if (got == 0) return absl::OkStatus();
    SLUICE_RETURN_IF_ERROR(
        take(absl::string_view(buffer.data(), static_cast<size_t>(got))));
  }
}

absl::Status WriteAll(int fd, const std::string& path,
                      absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus("cannot write", path);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  if (fsync(fd) != 0) return ErrnoStatus("cannot write", path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          size_t limit) {
  std::string bytes;
  SLUICE_RETURN_IF_ERROR(ReadPieces(path, [&](absl::string_view piece) {
    if (bytes.size() + piece.size() > limit) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", path, "' is larger than ", limit,
                       " bytes; is it the right one?"));
    }
    bytes.append(piece.data(), piece.size());
    return absl::OkStatus();
  }));
  return bytes;
}

absl::Status WriteNewFile(const std::string& path, absl::string_view bytes) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
           S_IRUSR | S_IWUSR);
  if (fd < 0) return ErrnoStatus("cannot make", path);
  const auto close_it = absl::MakeCleanup([fd] { close(fd); });
  return WriteAll(fd, path, bytes);
}

absl::Status ReplaceFile(const std::string& path, absl::string_view bytes) {
  const std::unique_ptr<char, decltype(&free)> real(
      realpath(path.c_str(), nullptr), &free);
  if (real == nullptr) return ErrnoStatus("cannot write", path);
  struct stat facts {};
  if (stat(real.get(), &facts) != 0) return ErrnoStatus("cannot write", path);
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' is no file that can be written anew"));
  }
  // Renaming over it would get around the file's own mode.
  if (access(real.get(), W_OK) != 0) return ErrnoStatus("cannot write", path);
  std::string fresh = absl::StrCat(real.get(), ".XXXXXX");
  const int fd = mkostemp(fresh.data(), O_CLOEXEC);
  if (fd < 0) return ErrnoStatus("cannot make a file beside", path);
  const auto close_it = absl::MakeCleanup([fd] { close(fd); });
  auto remove_it = absl::MakeCleanup([&] { unlink(fresh.c_str()); });
  SLUICE_RETURN_IF_ERROR(WriteAll(fd, path, bytes));
  // Another's file keeps its owner, or is not touched. Owner first: changing
  // it clears bits of the mode.
  const bool same_owner =
      facts.st_uid == geteuid() && facts.st_gid == getegid();
  if (!same_owner && fchown(fd, facts.st_uid, facts.st_gid) != 0) {
    return ErrnoStatus("cannot keep the owner of", path);
  }
  if (fchmod(fd, facts.st_mode & 07777) != 0) {
    return ErrnoStatus("cannot keep the mode of", path);
  }
  if (rename(fresh.c_str(), real.get()) != 0) {
    return ErrnoStatus("cannot write", path);
  }
  std::move(remove_it).Cancel();
  return absl::OkStatus();
}

absl::StatusOr<std::string> FileDigest(const std::string& path) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  SLUICE_CHECK(context != nullptr);
  SLUICE_CHECK(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  SLUICE_RETURN_IF_ERROR(ReadPieces(path, [&](absl::string_view piece) {
    SLUICE_CHECK(EVP_DigestUpdate(context.get(), piece.data(), piece.size()) ==
                 1);
    return absl::OkStatus();
  }));
  std::array<char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  SLUICE_CHECK(
      EVP_DigestFinal_ex(context.get(),
                         reinterpret_cast<unsigned char*>(digest.data()),
                         &size) == 1);
  return absl::StrCat("sha256:", absl::BytesToHexString(
                                     absl::string_view(digest.data(), size)));
}

}  // namespace sluice::cli
