// A text of one fact a line, taken apart line by line, so that an error can say
// which line is wrong.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"

namespace sluice {

class FactLines {
 public:
  // `what` names the text in errors: "rotation". The text must outlive this.
  FactLines(absl::string_view what, absl::string_view text);

  bool StartsWith(absl::string_view key) const;
  // What follows `key` and a space on the next line.
  absl::StatusOr<absl::string_view> Take(absl::string_view key);
  // The same, as a whole number of at least 0.
  absl::StatusOr<uint64_t> TakeNumber(absl::string_view key);
  // "incident-commander=1 system-owner=1", or "none".
  absl::StatusOr<std::map<RoleId, int>> Quorum(absl::string_view text) const;
  // InvalidArgument that names the line.
  absl::Status Error(absl::string_view why) const;

 private:
  std::string what_;
  std::vector<absl::string_view> lines_;
  size_t next_ = 0;
};

// The inverse of FactLines::Quorum().
std::string QuorumFacts(const std::map<RoleId, int>& quorum);

}  // namespace sluice
