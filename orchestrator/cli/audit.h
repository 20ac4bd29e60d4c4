// `sluice audit export`: a journal as a folder that anybody can verify with
// ssh-keygen and sha256sum, without a program of ours.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/cli/terminal.h"

namespace sluice::cli {

struct AuditOptions {
  std::string journal = "journal.db";  // or a copy of it
  // Whose keys count: this manifest's approvers, and hosts.keys beside it.
  std::string manifest;
  std::string out;  // a folder that is not there yet
};

struct AuditReport {
  uint64_t records = 0;
  int signatures = 0;
  std::string head;  // the hash of the last record
};

// DataLoss when the journal's chain does not hold; AlreadyExists, NotFound or
// what the disk says otherwise.
absl::StatusOr<AuditReport> ExportAudit(const AuditOptions& options);

// The same as a command.
ExitCode AuditExport(const Terminal& terminal, const AuditOptions& options);

}  // namespace sluice::cli
