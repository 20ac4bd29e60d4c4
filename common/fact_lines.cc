#include "common/fact_lines.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace sluice {

FactLines::FactLines(absl::string_view what, absl::string_view text)
    : what_(what), lines_(absl::StrSplit(text, '\n')) {}

bool FactLines::StartsWith(absl::string_view key) const {
  if (next_ >= lines_.size()) return false;
  absl::string_view line = lines_[next_];
  return absl::ConsumePrefix(&line, key) && absl::ConsumePrefix(&line, " ");
}

absl::StatusOr<absl::string_view> FactLines::Take(absl::string_view key) {
  if (!StartsWith(key)) {
    return Error(absl::StrCat("it should begin with '", key, " '"));
  }
  return lines_[next_++].substr(key.size() + 1);
}

absl::StatusOr<uint64_t> FactLines::TakeNumber(absl::string_view key) {
  const absl::StatusOr<absl::string_view> text = Take(key);
  if (!text.ok()) return text.status();
  uint64_t number = 0;
  if (absl::SimpleAtoi(*text, &number)) return number;
  return Error("the line before should hold a whole number of at least 0");
}

absl::StatusOr<std::map<RoleId, int>> FactLines::Quorum(
    absl::string_view text) const {
  std::map<RoleId, int> quorum;
  if (text == "none") return quorum;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(word, '=');
    int count = 0;
    if (parts.size() != 2 || parts[0].empty() ||
        !absl::SimpleAtoi(parts[1], &count) || count < 1 || count > 100) {
      return Error("a quorum is ROLE=COUNT, 1 to 100, or none");
    }
    quorum[RoleId(parts[0])] = count;
  }
  return quorum;
}

absl::Status FactLines::Error(absl::string_view why) const {
  return absl::InvalidArgumentError(
      absl::StrCat(what_, ", line ", next_ + 1, ": ", why));
}

std::string QuorumFacts(const std::map<RoleId, int>& quorum) {
  if (quorum.empty()) return "none";
  return absl::StrJoin(quorum, " ", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, entry.first.str(), "=", entry.second);
  });
}

}  // namespace sluice
