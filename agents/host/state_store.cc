#include "agents/host/state_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxBytes = 64 << 20;
constexpr char kName[] = "state";
constexpr char kNewName[] = "state.new";
constexpr char kAsideName[] = "state.unreadable";
constexpr char kLockName[] = "lock";

absl::Status Errno(absl::string_view what, absl::string_view path) {
  const int error = errno;
  return absl::Status(
      error == ENOENT ? absl::StatusCode::kNotFound
                      : absl::StatusCode::kUnavailable,
      absl::StrCat(path, ": cannot ", what, ": ", std::strerror(error)));
}

// mkdir -p, for the last two parts a package may not have made.
absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  const size_t slash = path.rfind('/');
  if (errno != ENOENT || slash == std::string::npos || slash == 0) {
    return Errno("make this directory", path);
  }
  SLUICE_RETURN_IF_ERROR(MakeDirectory(path.substr(0, slash)));
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return Errno("make this directory", path);
}

absl::Status WriteAll(int fd, absl::string_view text, absl::string_view path) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return Errno("write", path);
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
  if (fsync(fd) != 0) return Errno("write to disk", path);
  return absl::OkStatus();
}

pid_t ReadHolder(int lock) {
  char text[24] = {};
  const ssize_t got = pread(lock, text, sizeof text - 1, 0);
  int pid = 0;
  if (got <= 0 || !absl::SimpleAtoi(absl::string_view(text), &pid)) return 0;
  return pid;
}

}  // namespace

absl::StatusOr<FileStateStore> FileStateStore::Open(
    const std::string& directory, std::string witness) {
  SLUICE_RETURN_IF_ERROR(MakeDirectory(directory));
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Errno("open this directory", directory);
  const int lock = openat(fd, kLockName, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    const absl::Status status = Errno("make the lock file in", directory);
    close(fd);
    return status;
  }
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const pid_t holder = ReadHolder(lock);
    close(lock);
    close(fd);
    return absl::AlreadyExistsError(
        absl::StrCat(directory, ": another sluice-agent, process ", holder,
                     ", is using this state; stop it first"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(lock, 0) != 0 || pwrite(lock, pid.data(), pid.size(), 0) < 0) {
    // Only for people; the lock itself holds.
  }
  return FileStateStore(directory, std::move(witness), fd, lock);
}

FileStateStore::FileStateStore(std::string directory, std::string witness,
                               int directory_fd, int lock_fd)
    : directory_(std::move(directory)),
      witness_(std::move(witness)),
      directory_fd_(directory_fd),
      lock_fd_(lock_fd) {}

FileStateStore::FileStateStore(FileStateStore&& other) noexcept
    : directory_(std::move(other.directory_)),
      witness_(std::move(other.witness_)),
      witnessed_(other.witnessed_),
      directory_fd_(std::exchange(other.directory_fd_, -1)),
      lock_fd_(std::exchange(other.lock_fd_, -1)) {}

FileStateStore::~FileStateStore() {
  if (directory_fd_ >= 0) close(directory_fd_);
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::StatusOr<std::string> FileStateStore::ReadState(
    const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kName);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Errno("open", path);
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const absl::Status status = Errno("read", path);
      close(fd);
      return absl::DataLossError(status.message());
    }
    if (got == 0) break;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kMaxBytes) {
      close(fd);
      return absl::DataLossError(
          absl::StrCat(path, ": more than 64 MiB, which no state has"));
    }
  }
  close(fd);
  return text;
}

absl::StatusOr<std::string> FileStateStore::Load() {
  absl::StatusOr<std::string> text = ReadState(directory_);
  if (absl::IsNotFound(text.status()) && !witness_.empty() &&
      access(witness_.c_str(), F_OK) == 0) {
    return absl::DataLossError(absl::StrCat(
        directory_, "/", kName, ": it is gone, and ", witness_,
        " says that there was one; on a host to begin anew, remove that too"));
  }
  return text;
}

// Not being able to is no reason to stop: then a lost state looks like none.
void FileStateStore::LeaveWitness() {
  if (witness_.empty() || std::exchange(witnessed_, true)) return;
  const int fd =
      open(witness_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return;
  constexpr absl::string_view kText =
      "sluice-agent keeps a state on this host. If it is gone when the agent "
      "starts,\nthe host is quarantined. Remove this file with it to begin "
      "anew.\n";
  struct stat status = {};
  if (fstat(fd, &status) == 0 && status.st_size == 0) {
    static_cast<void>(WriteAll(fd, kText, witness_));
  }
  close(fd);
}

pid_t FileStateStore::Holder(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kLockName);
  const int lock = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (lock < 0) return 0;
  const bool held = flock(lock, LOCK_EX | LOCK_NB) != 0;
  const pid_t holder = held ? ReadHolder(lock) : 0;
  close(lock);
  return holder;
}

absl::Status FileStateStore::Save(absl::string_view text) {
  const std::string path = absl::StrCat(directory_, "/", kNewName);
  const int fd = openat(directory_fd_, kNewName,
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return Errno("make", path);
  const absl::Status written = WriteAll(fd, text, path);
  close(fd);
  SLUICE_RETURN_IF_ERROR(written);
  if (renameat(directory_fd_, kNewName, directory_fd_, kName) != 0) {
    return Errno("rename", path);
  }
  if (fsync(directory_fd_) != 0) return Errno("write to disk", directory_);
  LeaveWitness();
  return absl::OkStatus();
}

void FileStateStore::SetAside() {
  if (renameat(directory_fd_, kName, directory_fd_, kAsideName) != 0) {
    // It is overwritten by the next save, then: nothing else depends on it.
    return;
  }
}

absl::StatusOr<std::string> MemoryStateStore::Load() {
  if (text_.empty()) return absl::NotFoundError("no state was saved");
  return text_;
}

absl::Status MemoryStateStore::Save(absl::string_view text) {
  if (!failure_.ok()) return failure_;
  text_ = std::string(text);
  return absl::OkStatus();
}

}  // namespace sluice::agent
