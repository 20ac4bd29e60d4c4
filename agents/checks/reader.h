// Checks that read files do so in a process of their own: a file system that
// does not answer holds that process, and neither the agent nor its workers.
//
// The agent runs its own program anew (CheckContext::reader) with the question
// on standard input. What the reader looks at it says on standard error, so
// that people learn where it hangs; its answer goes to standard output. It
// keeps of the agent's capabilities the one that its reading needs.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/checks/check.h"

namespace sluice::agent {

// The program's only argument when it is to be a reader.
inline constexpr char kReaderCommand[] = "read-for-a-check";

// One of `files`, `process` and `mount`, by context.reader. What does not
// answer is inconclusive within the check's own time.
CheckResult ReadApart(const CheckSpec& spec, const CheckContext& context,
                      const Stop& stop);

// Where each path really is, without links; empty: there is no such path.
// Without a context.reader this process looks itself. An error is a sentence
// for people.
absl::StatusOr<std::vector<std::string>> RealPaths(
    const std::vector<std::string>& paths, absl::Duration timeout,
    const CheckContext& context, const Stop& stop);

// What a reader does: one question, one answer. Returns its exit code.
int ReaderMain();

}  // namespace sluice::agent
