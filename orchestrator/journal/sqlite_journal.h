// The journal in one SQLite file (WAL, synchronous=FULL).
//
// One process at a time: the file is locked for as long as the object lives.
// Beside "journal.db" stands "journal.db.head", the number and hash of the last
// record that was acknowledged: it tells a journal whose end was lost, or that
// was copied without its "-wal", from a shorter one.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "orchestrator/journal/journal.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sluice::journal {

class SqliteJournal : public Journal {
 public:
  // Opens or makes the journal at `path`. Unavailable when another process
  // has it; PermissionDenied, ResourceExhausted or DataLoss in a sentence
  // that says what to do. The links are checked by whoever reads (VerifyChain,
  // or the runtime as it replays).
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> Open(
      const std::string& path);

  // To look at: of a running orchestrator, of a stopped one, or a copy. Writes
  // nothing and stops nobody; Append() fails. What lacks at its end is not an
  // error here: compare with RememberedHead().
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> OpenToRead(
      const std::string& path);

  // What stands in "PATH.head"; nothing when it is missing or says nothing.
  static std::optional<Head> RememberedHead(const std::string& path);

  ~SqliteJournal() override;
  SqliteJournal(const SqliteJournal&) = delete;
  SqliteJournal& operator=(const SqliteJournal&) = delete;

  absl::Status Append(uint64_t expected,
                      absl::Span<const Record> records) override;
  absl::StatusOr<std::vector<Record>> Read(uint64_t sequence,
                                           size_t limit) override;

  uint64_t last_sequence() const { return last_sequence_; }

 private:
  explicit SqliteJournal(std::string path);

  absl::Status Lock();
  absl::Status OpenDatabase();
  absl::Status OpenDatabaseToRead();
  absl::Status Prepare();
  absl::Status FindEnd();
  absl::Status CompareWithHead();
  absl::Status Insert(const Record& record);
  void RememberHead(const Record& last);
  absl::Status Run(const char* sql);
  absl::Status Problem(absl::string_view doing) const;

  const std::string path_;
  bool read_only_ = false;
  int lock_fd_ = -1;
  int head_fd_ = -1;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
  uint64_t last_sequence_ = 0;
};

}  // namespace sluice::journal
