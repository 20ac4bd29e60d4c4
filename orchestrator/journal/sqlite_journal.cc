#include "orchestrator/journal/sqlite_journal.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/contract.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::journal {
namespace {

// "slui" in the file's header tells our journal from any other database.
constexpr int kApplicationId = 0x736c7569;
constexpr int kFormat = 1;
// Fixed size, so that one pwrite replaces it.
constexpr size_t kHeadSize = 128;

// A digest's 32 bytes: half the size on disk of its text.
std::string ToBlob(absl::string_view digest) {
  SLUICE_CHECK(IsDigest(digest));
  return absl::HexStringToBytes(absl::StripPrefix(digest, "sha256:"));
}

absl::string_view Column(sqlite3_stmt* row, int column) {
  const void* data = sqlite3_column_blob(row, column);
  const int size = sqlite3_column_bytes(row, column);
  return absl::string_view(static_cast<const char*>(data),
                           static_cast<size_t>(size));
}

std::string DigestColumn(sqlite3_stmt* row, int column) {
  return absl::StrCat("sha256:", absl::BytesToHexString(Column(row, column)));
}

void BindBlob(sqlite3_stmt* statement, int index, const std::string& bytes) {
  // An empty string is an empty blob, not NULL.
  sqlite3_bind_blob64(statement, index, bytes.empty() ? "" : bytes.data(),
                      bytes.size(), SQLITE_TRANSIENT);
}

std::string HeadText(uint64_t sequence, absl::string_view hash) {
  std::string text = absl::StrCat(sequence, " ", hash, "\n");
  SLUICE_CHECK(text.size() <= kHeadSize);
  text.resize(kHeadSize, ' ');
  return text;
}

bool ParseHead(absl::string_view text, Head* head) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  if (words.size() != 2) return false;
  head->hash = std::string(words[1]);
  return absl::SimpleAtoi(words[0], &head->sequence) && IsDigest(head->hash);
}

}  // namespace

SqliteJournal::SqliteJournal(std::string path) : path_(std::move(path)) {}

SqliteJournal::~SqliteJournal() {
  sqlite3_finalize(insert_);
  sqlite3_finalize(select_);
  sqlite3_close(db_);
  if (head_fd_ >= 0) close(head_fd_);
  // Last: closing any descriptor of the file drops SQLite's own locks.
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(
    const std::string& path) {
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(path));
  SLUICE_RETURN_IF_ERROR(journal->Lock());
  SLUICE_RETURN_IF_ERROR(journal->OpenDatabase());
  SLUICE_RETURN_IF_ERROR(journal->Prepare());
  SLUICE_RETURN_IF_ERROR(journal->FindEnd());
  SLUICE_RETURN_IF_ERROR(journal->CompareWithHead());
  return journal;
}

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::OpenToRead(
    const std::string& path) {
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(path));
  journal->read_only_ = true;
  SLUICE_RETURN_IF_ERROR(journal->OpenDatabaseToRead());
  SLUICE_RETURN_IF_ERROR(journal->Prepare());
  SLUICE_RETURN_IF_ERROR(journal->FindEnd());
  return journal;
}

std::optional<Head> SqliteJournal::RememberedHead(const std::string& path) {
  const int fd =
      open(absl::StrCat(path, ".head").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  char text[kHeadSize];
  const ssize_t size = pread(fd, text, sizeof text, 0);
  close(fd);
  Head head;
  if (size <= 0 ||
      !ParseHead(absl::string_view(text, static_cast<size_t>(size)), &head)) {
    return std::nullopt;
  }
  return head;
}

absl::Status SqliteJournal::OpenDatabaseToRead() {
  struct stat info;
  if (stat(path_.c_str(), &info) != 0) {
    const int error = errno;
    const std::string what =
        absl::StrCat("journal ", path_, ": ", strerror(error));
    if (error == ENOENT) {
      return absl::NotFoundError(absl::StrCat(
          what, "; name the orchestrator's journal.db, or a copy of it"));
    }
    return absl::PermissionDeniedError(
        absl::StrCat(what, "; read it as its owner, or read a copy"));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("journal ", path_, ": it is not a file; name a file"));
  }
  // SQLite's log holds the newest records. Without one the file is all there
  // is, and can be read where nothing can be written.
  const bool log =
      stat(absl::StrCat(path_, "-wal").c_str(), &info) == 0 && info.st_size > 0;
  std::string uri = "file:";
  for (const char c : path_) {
    if (c == '?' || c == '#' || c == '%') {
      absl::StrAppend(&uri, "%", absl::BytesToHexString(std::string(1, c)));
    } else {
      uri.push_back(c);
    }
  }
  absl::StrAppend(&uri, "?mode=ro", log ? "" : "&immutable=1");
  if (sqlite3_open_v2(
          uri.c_str(), &db_,
          SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI,
          nullptr) != SQLITE_OK) {
    return Problem("it cannot be opened");
  }
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, 2000);
  return Run("PRAGMA trusted_schema=OFF");
}

// Two orchestrators on one file would be two histories in one. flock, not
// SQLite's exclusive mode, so that an audit may read while we write.
absl::Status SqliteJournal::Lock() {
  lock_fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) {
    const int error = errno;
    const std::string what =
        absl::StrCat("journal ", path_, ": it cannot be opened for writing (",
                     strerror(error), ")");
    if (error == ENOENT) {
      return absl::NotFoundError(
          absl::StrCat(what, "; make its directory first"));
    }
    if (error == ENOSPC || error == EDQUOT) {
      return absl::ResourceExhaustedError(
          absl::StrCat(what, "; make room and start again"));
    }
    return absl::PermissionDeniedError(absl::StrCat(
        what,
        "; give the orchestrator's user the right to write it and its "
        "directory"));
  }
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    return absl::UnavailableError(absl::StrCat(
        "journal ", path_,
        ": another orchestrator is using it; stop that one first, or give "
        "this one a journal of its own"));
  }
  struct stat info;
  if (fstat(lock_fd_, &info) == 0 && !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("journal ", path_, ": it is not a file; name a file"));
  }
  return absl::OkStatus();
}

absl::Status SqliteJournal::OpenDatabase() {
  if (sqlite3_open_v2(path_.c_str(), &db_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                      nullptr) != SQLITE_OK) {
    return Problem("it cannot be opened");
  }
  sqlite3_extended_result_codes(db_, 1);
  // An audit that reads holds no lock that stops a writer for long.
  sqlite3_busy_timeout(db_, 2000);
  SLUICE_RETURN_IF_ERROR(Run("PRAGMA journal_mode=WAL"));
  SLUICE_RETURN_IF_ERROR(Run("PRAGMA synchronous=FULL"));
  SLUICE_RETURN_IF_ERROR(Run("PRAGMA trusted_schema=OFF"));
  return absl::OkStatus();
}

absl::Status SqliteJournal::Prepare() {
  sqlite3_stmt* statement = nullptr;
  int application = 0;
  int format = 0;
  int tables = 0;
  const auto number = [&](const char* sql, int* out) {
    if (sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
      const absl::Status problem = Problem("it cannot be read");
      sqlite3_finalize(statement);
      return problem;
    }
    *out = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return absl::OkStatus();
  };
  SLUICE_RETURN_IF_ERROR(number("PRAGMA application_id", &application));
  SLUICE_RETURN_IF_ERROR(number("PRAGMA user_version", &format));
  SLUICE_RETURN_IF_ERROR(number("SELECT count(*) FROM sqlite_master", &tables));
  if (tables == 0 && read_only_) {
    return absl::DataLossError(absl::StrCat(
        "journal ", path_, ": it holds no record; was it copied without ",
        path_, "-wal?"));
  }
  if (tables == 0) {
    SLUICE_RETURN_IF_ERROR(Run("BEGIN IMMEDIATE"));
    SLUICE_RETURN_IF_ERROR(
        Run(absl::StrCat("PRAGMA application_id=", kApplicationId).c_str()));
    SLUICE_RETURN_IF_ERROR(
        Run(absl::StrCat("PRAGMA user_version=", kFormat).c_str()));
    SLUICE_RETURN_IF_ERROR(
        Run("CREATE TABLE record("
            "sequence INTEGER PRIMARY KEY,"
            "at INTEGER NOT NULL,"
            "kind INTEGER NOT NULL,"
            "version INTEGER NOT NULL,"
            "payload BLOB NOT NULL,"
            "previous BLOB NOT NULL,"
            "commands BLOB NOT NULL,"
            "hash BLOB NOT NULL)"));
    SLUICE_RETURN_IF_ERROR(Run("COMMIT"));
  } else if (application != kApplicationId) {
    return absl::InvalidArgumentError(absl::StrCat(
        "journal ", path_,
        ": it is a database of another program; name another file"));
  } else if (format != kFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("journal ", path_, ": it is of format ", format,
                     " and this version knows ", kFormat,
                     "; go on with the version of Sluice that wrote it"));
  }
  if (sqlite3_prepare_v3(db_, "INSERT INTO record VALUES(?,?,?,?,?,?,?,?)", -1,
                         SQLITE_PREPARE_PERSISTENT, &insert_,
                         nullptr) != SQLITE_OK ||
      sqlite3_prepare_v3(db_,
                         "SELECT sequence,at,kind,version,payload,previous,"
                         "commands,hash FROM record WHERE sequence>=? "
                         "ORDER BY sequence LIMIT ?",
                         -1, SQLITE_PREPARE_PERSISTENT, &select_,
                         nullptr) != SQLITE_OK) {
    return Problem("its table is not as it should be");
  }
  return absl::OkStatus();
}

absl::Status SqliteJournal::FindEnd() {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, "SELECT max(sequence) FROM record", -1,
                         &statement, nullptr) != SQLITE_OK) {
    return Problem("it cannot be read");
  }
  absl::Status status;
  if (sqlite3_step(statement) == SQLITE_ROW) {
    last_sequence_ = static_cast<uint64_t>(sqlite3_column_int64(statement, 0));
  } else {
    status = Problem("its end cannot be read");
  }
  sqlite3_finalize(statement);
  return status;
}

absl::Status SqliteJournal::CompareWithHead() {
  const std::string head_path = absl::StrCat(path_, ".head");
  head_fd_ = open(head_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (head_fd_ < 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        "journal ", path_, ": ", head_path, " cannot be opened for writing (",
        strerror(errno), "); give the orchestrator's user the right to"));
  }
  char text[kHeadSize];
  const ssize_t size = pread(head_fd_, text, sizeof text, 0);
  Head head;
  // Missing, empty or torn: it says nothing. It is written without fsync, so
  // it can be behind the journal, never rightly ahead of it.
  if (size <= 0 ||
      !ParseHead(absl::string_view(text, static_cast<size_t>(size)), &head)) {
    return absl::OkStatus();
  }
  if (head.sequence > last_sequence_) {
    return absl::DataLossError(absl::StrCat(
        "journal ", path_, ": it ends at record ", last_sequence_, ", but ",
        head.sequence, " were written: ", head.sequence - last_sequence_,
        " are missing. Was it copied without ", path_,
        "-wal? Restore both; if they are lost for good, remove ", head_path,
        " and every host will be compared with what is left"));
  }
  SLUICE_ASSIGN_OR_RETURN(std::vector<Record> records, Read(head.sequence, 1));
  if (head.sequence > 0 && (records.empty() || records[0].hash != head.hash)) {
    return absl::DataLossError(absl::StrCat(
        "journal ", path_, ": record ", head.sequence,
        " is not the one that was written; it was replaced by another "
        "journal or changed. Restore it from a copy; if this one is the right "
        "one, remove ",
        head_path));
  }
  return absl::OkStatus();
}

absl::Status SqliteJournal::Insert(const Record& record) {
  sqlite3_reset(insert_);
  sqlite3_bind_int64(insert_, 1, static_cast<int64_t>(record.sequence));
  sqlite3_bind_int64(insert_, 2, absl::ToUnixMicros(record.at));
  sqlite3_bind_int64(insert_, 3, record.kind);
  sqlite3_bind_int64(insert_, 4, record.version);
  BindBlob(insert_, 5, record.payload);
  BindBlob(insert_, 6, ToBlob(record.previous));
  BindBlob(insert_, 7, ToBlob(record.commands));
  BindBlob(insert_, 8, ToBlob(record.hash));
  const int code = sqlite3_step(insert_);
  const absl::Status status =
      code == SQLITE_DONE ? absl::OkStatus() : Problem("it cannot be written");
  sqlite3_reset(insert_);
  sqlite3_clear_bindings(insert_);
  return status;
}

absl::Status SqliteJournal::Append(uint64_t expected,
                                   absl::Span<const Record> records) {
  if (records.empty()) return absl::OkStatus();
  if (read_only_) {
    return absl::FailedPreconditionError(
        absl::StrCat("journal ", path_, ": it was opened to be read only"));
  }
  if (expected != last_sequence_ + 1) {
    return absl::AbortedError(
        absl::StrCat("journal ", path_, ": it ends at record ", last_sequence_,
                     ", not right before record ", expected,
                     ": another orchestrator writes to it; stop one of them"));
  }
  SLUICE_RETURN_IF_ERROR(Run("BEGIN IMMEDIATE"));
  absl::Status status;
  uint64_t sequence = expected;
  for (const Record& record : records) {
    SLUICE_CHECK(record.sequence == sequence++);
    status = Insert(record);
    if (!status.ok()) break;
  }
  if (status.ok()) status = Run("COMMIT");
  if (!status.ok()) {
    // SQLite may have rolled back by itself; then this says so, harmlessly.
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    return status;
  }
  last_sequence_ = records.back().sequence;
  RememberHead(records.back());
  return absl::OkStatus();
}

// Best effort: the record itself is on disk already.
void SqliteJournal::RememberHead(const Record& last) {
  const std::string text = HeadText(last.sequence, last.hash);
  if (pwrite(head_fd_, text.data(), text.size(), 0) < 0) {
    // The head stays behind, which the next start accepts.
    return;
  }
}

absl::StatusOr<std::vector<Record>> SqliteJournal::Read(uint64_t sequence,
                                                        size_t limit) {
  sqlite3_reset(select_);
  sqlite3_bind_int64(select_, 1, static_cast<int64_t>(sequence));
  sqlite3_bind_int64(select_, 2, static_cast<int64_t>(limit));
  std::vector<Record> records;
  int code;
  while ((code = sqlite3_step(select_)) == SQLITE_ROW) {
    Record record;
    record.sequence = static_cast<uint64_t>(sqlite3_column_int64(select_, 0));
    record.at = absl::FromUnixMicros(sqlite3_column_int64(select_, 1));
    record.kind = static_cast<uint32_t>(sqlite3_column_int64(select_, 2));
    record.version = static_cast<uint32_t>(sqlite3_column_int64(select_, 3));
    record.payload = std::string(Column(select_, 4));
    record.previous = DigestColumn(select_, 5);
    record.commands = DigestColumn(select_, 6);
    record.hash = DigestColumn(select_, 7);
    records.push_back(std::move(record));
  }
  const absl::Status status =
      code == SQLITE_DONE
          ? absl::OkStatus()
          : Problem(absl::StrCat(
                "it cannot be read after record ",
                records.empty() ? sequence - 1 : records.back().sequence));
  sqlite3_reset(select_);
  if (!status.ok()) return status;
  return records;
}

absl::Status SqliteJournal::Run(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Problem("it cannot be written");
  }
  return absl::OkStatus();
}

absl::Status SqliteJournal::Problem(absl::string_view doing) const {
  const int code =
      db_ == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(db_);
  const std::string what =
      absl::StrCat("journal ", path_, ": ", doing, " (",
                   db_ == nullptr ? "no memory" : sqlite3_errmsg(db_), ")");
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          absl::StrCat(what, "; the disk is full, make room"));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return absl::PermissionDeniedError(absl::StrCat(
          what,
          "; give the orchestrator's user the right to write it and its "
          "directory, or mount its disk for writing"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(
          absl::StrCat(what, "; another program holds it, stop that program"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(
          absl::StrCat(what, "; it is damaged, restore it from a copy"));
    case SQLITE_IOERR:
      return absl::UnavailableError(absl::StrCat(
          what, "; the disk fails or is full, look at the system's log"));
    default:
      return absl::InternalError(what);
  }
}

}  // namespace sluice::journal
