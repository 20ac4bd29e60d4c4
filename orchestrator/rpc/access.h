// Who may call what: the one table. A call that does not stand in it is
// refused, whoever asks. docs/security.md shows the same table; a test keeps
// the two together.

#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace sluice::rpc {

enum class Level {
  kAnybody,   // nobody knows who
  kKnownKey,  // a host whose key is enrolled, its certificate expired or not
  kHost,      // a host whose key is enrolled
  kOperator,  // whoever logged in
  kApprover,  // who logged in and has a role in the manifest in force
};

struct Rule {
  absl::string_view method;  // "/sluice.v1.Operator/GetStatus"
  Level level;
};

absl::Span<const Rule> AccessTable();

// nullptr: there is no such call.
const Rule* FindRule(absl::string_view method);

// The table as Markdown, for the docs.
std::string AccessMarkdown();

}  // namespace sluice::rpc
