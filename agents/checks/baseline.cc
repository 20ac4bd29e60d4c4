#include "agents/checks/baseline.h"

#include <fcntl.h>
#include <glob.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "agents/core/state.h"
#include "common/contract.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kChunk = 64 << 10;
constexpr size_t kMaxEntryBytes = 16 << 20;
constexpr char kHead[] = "sluice baseline 1\n";

class Taking {
 public:
  Taking(bool setuid_only, absl::Time until, const Stop& stop,
         const std::function<void(const std::string&)>& looking_at)
      : setuid_only_(setuid_only),
        until_(until),
        stop_(stop),
        looking_at_(looking_at) {}

  absl::Status Take(const std::string& path, int depth,
                    std::optional<dev_t> device);
  const std::map<std::string, std::string>& entries() const { return entries_; }

 private:
  absl::Status Add(const std::string& path, std::string what);
  absl::Status CheckTime() const;
  absl::StatusOr<std::string> Digest(const std::string& path) const;
  absl::Status TakeInside(const std::string& path, int depth, dev_t device);

  const bool setuid_only_;
  const absl::Time until_;
  const Stop& stop_;
  const std::function<void(const std::string&)>& looking_at_;  // may be none
  std::map<std::string, std::string> entries_;  // path → the rest
  size_t bytes_ = 0;                            // of both
};

absl::Status Taking::CheckTime() const {
  if (stop_.IsSet()) return absl::CancelledError("the agent is ending");
  if (absl::Now() < until_) return absl::OkStatus();
  return absl::DeadlineExceededError(
      "the files could not all be read in time; give the check more");
}

absl::Status Taking::Add(const std::string& path, std::string what) {
  if (entries_.size() >= kMaxEntries) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "more than ", kMaxEntries, " files; name fewer in the baseline"));
  }
  std::string name = absl::CEscape(path);
  bytes_ += name.size() + what.size();
  // Who may make files here could make the agent run out of memory by them.
  if (bytes_ > kMaxEntryBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the names under ", OneLine(path.substr(0, path.rfind('/')), 80),
        " and before take more than ", kMaxEntryBytes >> 20,
        " MiB; name fewer in the baseline"));
  }
  entries_[std::move(name)] = std::move(what);
  return absl::OkStatus();
}

// Of a regular file; NotFound and the like when it cannot be read as one.
absl::StatusOr<std::string> Taking::Digest(const std::string& path) const {
  const int fd =
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  SLUICE_CHECK(EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) == 1);
  std::string chunk(kChunk, '\0');
  absl::Status status;
  while (status.ok()) {
    const ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got < 0) status = absl::ErrnoToStatus(errno, path);
    if (got <= 0) break;
    EVP_DigestUpdate(hash.get(), chunk.data(), static_cast<size_t>(got));
    status = CheckTime();
  }
  close(fd);
  if (!status.ok()) return status;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(hash.get(), digest, &size);
  return absl::StrCat("sha256:",
                      absl::BytesToHexString(absl::string_view(
                          reinterpret_cast<const char*>(digest), size)));
}

absl::Status Taking::Take(const std::string& path, int depth,
                          std::optional<dev_t> device) {
  SLUICE_RETURN_IF_ERROR(CheckTime());
  if (looking_at_) looking_at_(path);
  struct stat found = {};
  if (lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? absl::OkStatus() : Add(path, "unreadable");
  }
  const std::string rights = absl::StrFormat(
      "%04o %d:%d", static_cast<unsigned>(found.st_mode) & 07777, found.st_uid,
      found.st_gid);
  if (S_ISDIR(found.st_mode)) {
    if (!setuid_only_) {
      SLUICE_RETURN_IF_ERROR(Add(path, absl::StrCat("dir ", rights, " -")));
    }
    if (device.has_value() && *device != found.st_dev) return absl::OkStatus();
    return TakeInside(path, depth, found.st_dev);
  }
  if (setuid_only_ &&
      (!S_ISREG(found.st_mode) || (found.st_mode & (S_ISUID | S_ISGID)) == 0)) {
    return absl::OkStatus();
  }
  if (S_ISREG(found.st_mode)) {
    const absl::StatusOr<std::string> digest = Digest(path);
    if (absl::IsDeadlineExceeded(digest.status()) ||
        absl::IsCancelled(digest.status())) {
      return digest.status();
    }
    return Add(path, absl::StrCat("file ", rights, " ",
                                  digest.ok() ? *digest : "unreadable"));
  }
  if (S_ISLNK(found.st_mode)) {
    std::error_code error;
    const std::string target =
        std::filesystem::read_symlink(path, error).string();
    return Add(path, absl::StrCat("link ", rights, " ", Sha256(target)));
  }
  return Add(path, absl::StrCat("other ", rights, " -"));
}

absl::Status Taking::TakeInside(const std::string& path, int depth,
                                dev_t device) {
  if (depth >= kMaxDepth) return Add(path, "unreadable: too deep");
  std::error_code error;
  std::filesystem::directory_iterator inside(path, error);
  for (; !error && inside != std::filesystem::directory_iterator();
       inside.increment(error)) {
    SLUICE_RETURN_IF_ERROR(Take(inside->path().string(), depth + 1, device));
  }
  return error ? Add(path, "unreadable") : absl::OkStatus();
}

// Path → line, without the head.
std::map<absl::string_view, absl::string_view> Entries(absl::string_view text) {
  std::map<absl::string_view, absl::string_view> entries;
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const size_t at = line.find(" /");
    if (at == line.npos || absl::StartsWith(line, "path ")) continue;
    entries[line.substr(at + 1)] = line.substr(0, at);
  }
  return entries;
}

}  // namespace

absl::StatusOr<std::string> TakeBaseline(
    const std::string& name, const BaselineRule& rule, absl::Time until,
    const Stop& stop,
    const std::function<void(const std::string&)>& looking_at) {
  Taking taking(rule.setuid_only, until, stop, looking_at);
  std::string text = absl::StrCat(kHead, "name ", name, "\n");
  for (const std::string& path : rule.paths) {
    absl::StrAppend(&text, "path ", path,
                    rule.setuid_only ? " setuid only" : "", "\n");
    if (looking_at) looking_at(path);
    if (path.find_first_of("*?[\\") == path.npos) {
      SLUICE_RETURN_IF_ERROR(taking.Take(path, 0, std::nullopt));
      continue;
    }
    glob_t found = {};
    const int result = glob(path.c_str(), 0, nullptr, &found);
    absl::Status status;
    for (size_t i = 0; result == 0 && i < found.gl_pathc && status.ok(); ++i) {
      status = taking.Take(found.gl_pathv[i], 0, std::nullopt);
    }
    globfree(&found);
    SLUICE_RETURN_IF_ERROR(status);
  }
  for (const auto& [path, what] : taking.entries()) {
    absl::StrAppend(&text, what, " ", path, "\n");
  }
  return text;
}

std::string BaselineHead(absl::string_view text) {
  std::string head;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "name ") || absl::StartsWith(line, "path ")) {
      absl::StrAppend(&head, line, "\n");
    }
  }
  return head;
}

BaselineChanges CompareBaselines(absl::string_view before,
                                 absl::string_view now) {
  const auto old = Entries(before);
  const auto fresh = Entries(now);
  BaselineChanges changes;
  for (const auto& [path, what] : fresh) {
    const auto at = old.find(path);
    if (at == old.end()) {
      changes.added.emplace_back(path);
    } else if (at->second != what) {
      changes.changed.emplace_back(path);
    } else {
      ++changes.same;
    }
  }
  for (const auto& [path, what] : old) {
    if (!fresh.contains(path)) changes.gone.emplace_back(path);
  }
  return changes;
}

}  // namespace sluice::agent
