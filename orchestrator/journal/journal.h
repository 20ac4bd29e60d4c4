// The journal: what happened, in order, on disk before anything leaves (S6).
//
// Two verbs, so that a replicated store can take its place: append at an
// expected sequence number, read from one. Records form a chain: each carries
// the hash of the one before it and a hash of the commands it caused, so that
// a changed byte, or a program that would act differently, shows (S7).

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace sluice::journal {

struct Record {
  uint64_t sequence = 0;  // 1, 2, 3, …
  absl::Time at;          // whole microseconds
  uint32_t kind = 0;      // journal.proto's Kind
  uint32_t version = 0;   // of the payload's meaning
  std::string payload;
  std::string previous;  // the hash of record `sequence` - 1
  std::string commands;  // CommandsDigest() of what the event caused
  std::string hash;      // RecordHash() of all of the above

  friend bool operator==(const Record&, const Record&) = default;
};

// What record 1 carries as the hash of the record before it.
const std::string& GenesisHash();

// "sha256:…" of every field but `hash`.
std::string RecordHash(const Record& record);

// OK when `record` is whole in itself and follows the record numbered
// `previous_sequence` whose hash is `previous_hash`; DataLoss naming it if not.
absl::Status CheckLink(const Record& record, uint64_t previous_sequence,
                       const std::string& previous_hash);

class Journal {
 public:
  virtual ~Journal() = default;

  // Appends all of `records` or none; on disk when it returns OK. `expected`
  // is the sequence of the first. Aborted when the journal does not end right
  // before it; ResourceExhausted when the disk is full; other codes in words.
  // After an error the same records may be appended again.
  virtual absl::Status Append(uint64_t expected,
                              absl::Span<const Record> records) = 0;

  // At most `limit` records from `sequence` on, in order; none at the end.
  virtual absl::StatusOr<std::vector<Record>> Read(uint64_t sequence,
                                                   size_t limit) = 0;
};

// The last link of a chain: how long a journal is and what it ends in.
struct Head {
  uint64_t sequence = 0;
  std::string hash = GenesisHash();
  absl::Time at = absl::InfinitePast();  // of the last record
};

// Reads the whole journal and checks every link. DataLoss names the first
// record that does not fit.
absl::StatusOr<Head> VerifyChain(Journal& journal);

}  // namespace sluice::journal
