#include "orchestrator/journal/journal.h"

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/status.h"

namespace sluice::journal {
namespace {
constexpr size_t kReadAtOnce = 4096;
}  // namespace

const std::string& GenesisHash() {
  static const std::string* const hash =
      new std::string(Sha256("sluice journal 1\n"));
  return *hash;
}

std::string RecordHash(const Record& record) {
  // Every field before the payload is a number or of fixed length, so the
  // text can be read in one way only; the payload stands last.
  return Sha256(absl::StrCat("sluice journal record 1\n", record.sequence, " ",
                             absl::ToUnixMicros(record.at), " ", record.kind,
                             " ", record.version, "\n", record.previous, "\n",
                             record.commands, "\n", record.payload));
}

absl::Status CheckLink(const Record& record, uint64_t previous_sequence,
                       const std::string& previous_hash) {
  if (record.sequence != previous_sequence + 1) {
    return absl::DataLossError(absl::StrCat(
        "record ", previous_sequence + 1, " is missing: record ",
        record.sequence, " follows record ", previous_sequence,
        "; restore the journal from a copy and compare its head with the one "
        "agents and operators last saw"));
  }
  if (record.hash != RecordHash(record)) {
    return absl::DataLossError(absl::StrCat(
        "record ", record.sequence, " of ", absl::FormatTime(record.at),
        " is not what was written: its content does not fit its hash; restore "
        "the journal from a copy"));
  }
  if (record.previous != previous_hash) {
    return absl::DataLossError(absl::StrCat(
        "record ", record.sequence, " of ", absl::FormatTime(record.at),
        " does not follow record ", previous_sequence,
        ": it was written after another history; restore the journal from a "
        "copy"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Head> VerifyChain(Journal& journal) {
  Head head;
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(std::vector<Record> records,
                            journal.Read(head.sequence + 1, kReadAtOnce));
    if (records.empty()) return head;
    for (const Record& record : records) {
      SLUICE_RETURN_IF_ERROR(CheckLink(record, head.sequence, head.hash));
      head = Head{record.sequence, record.hash, record.at};
    }
  }
}

}  // namespace sluice::journal
