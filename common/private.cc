#include "common/private.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

constexpr mode_t kOthers = 077;

}  // namespace

absl::Status CheckPrivate(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot look at ", path));
  }
  if ((facts.st_mode & kOthers) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("others than its owner can read or change ", path,
                     ", and it is a secret; run: chmod 600 ", path));
  }
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "."
                                : slash == 0               ? "/"
                                             : path.substr(0, slash);
  if (stat(directory.c_str(), &facts) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("cannot look at ", directory));
  }
  if ((facts.st_mode & kOthers) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("others than its owner can enter ", directory,
                     ", where secrets are kept; run: chmod 700 ", directory));
  }
  return absl::OkStatus();
}

void KeepOutOfCores() {
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace sluice
