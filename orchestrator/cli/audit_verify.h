// `sluice audit verify`: is a journal whole, and is it the one that was seen?

#pragma once

#include <string>
#include <vector>

#include "orchestrator/cli/session.h"

namespace sluice::cli {

struct AuditVerifyOptions {
  std::string journal = "journal.db";  // in use, stopped, or a copy
  std::vector<std::string> seen;       // "120:sha256:…", noted by people
};

// Compares with the head beside the journal, the one beside client.yaml and
// those named. Ends with kDone when all fits, kMistakes when something does
// not. Writes nothing.
ExitCode AuditVerify(const Terminal& terminal, const Common& common,
                     const AuditVerifyOptions& options);

}  // namespace sluice::cli
