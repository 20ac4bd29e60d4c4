// Checks as values: what to ask a host, and what it answered.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sluice {

// Inconclusive never counts as pass.
enum class Verdict : uint8_t { kPass, kFail, kInconclusive };

absl::string_view VerdictName(Verdict verdict);  // "pass", "fail", …

// One question to one host, resolved (port names are numbers by now). The
// kinds and their arguments are listed in manifests/README.md; an agent that
// does not know a kind answers inconclusive.
struct CheckSpec {
  std::string kind;                         // "tcp", "http", "plugin", …
  std::map<std::string, std::string> args;  // {"port": "5432"}
  absl::Duration timeout = absl::Seconds(5);
  int attempts = 1;                           // at least 1
  absl::Duration between = absl::Seconds(1);  // between attempts

  // One canonical line: "http expect=200 path=/ready port=8080 timeout=5s
  // attempts=3 between=1s" (values are percent-encoded where they have to be).
  std::string Line() const;

  friend bool operator==(const CheckSpec&, const CheckSpec&) = default;
};

struct CheckResult {
  Verdict verdict = Verdict::kInconclusive;
  std::string reason;   // one short line for people
  std::string said_by;  // "host db-1", "operator billing-owner"
  // What was seen, one line each, for the host's evidence; mostly none.
  std::vector<std::string> details = {};

  friend bool operator==(const CheckResult&, const CheckResult&) = default;
};

}  // namespace sluice
