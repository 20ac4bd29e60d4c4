// Where an agent's state survives: one small file, replaced whole.

#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice::agent {

class StateStore {
 public:
  virtual ~StateStore() = default;

  // NotFound: there is none. Any other error: there is one and it cannot be
  // read.
  virtual absl::StatusOr<std::string> Load() = 0;

  // On OK the text survives a power cut; otherwise the one before does.
  virtual absl::Status Save(absl::string_view text) = 0;

  // Keeps what could not be believed beside, for people to look at.
  virtual void SetAside() = 0;
};

// DIR/state: written beside, fsynced, renamed, and the directory fsynced.
class FileStateStore : public StateStore {
 public:
  // Makes the directory (0700) and takes its lock, so that two agents never
  // share a state. `witness`: a file elsewhere that the first Save() makes; as
  // long as it is there, a missing state is a lost one (DataLoss), not that of
  // a new host (NotFound). Empty: no witness.
  static absl::StatusOr<FileStateStore> Open(const std::string& directory,
                                             std::string witness = "");
  FileStateStore(FileStateStore&& other) noexcept;
  FileStateStore& operator=(FileStateStore&&) = delete;
  ~FileStateStore() override;

  // The state as it is on disk, without the lock: to look, not to act on.
  static absl::StatusOr<std::string> ReadState(const std::string& directory);
  // The process that holds the lock; 0 when none does.
  static pid_t Holder(const std::string& directory);

  absl::StatusOr<std::string> Load() override;
  absl::Status Save(absl::string_view text) override;
  void SetAside() override;

 private:
  FileStateStore(std::string directory, std::string witness, int directory_fd,
                 int lock_fd);
  void LeaveWitness();

  std::string directory_;
  std::string witness_;
  bool witnessed_ = false;
  int directory_fd_ = -1;
  int lock_fd_ = -1;
};

class MemoryStateStore : public StateStore {
 public:
  absl::StatusOr<std::string> Load() override;
  absl::Status Save(absl::string_view text) override;
  void SetAside() override { text_.clear(); }

  // What the next Save()s answer; not OK: nothing is kept.
  void FailWith(absl::Status status) { failure_ = std::move(status); }

 private:
  std::string text_;
  absl::Status failure_;
};

}  // namespace sluice::agent
