#include "common/login_text.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace sluice {
namespace {

constexpr absl::string_view kFirst = "sluice login 1";
constexpr size_t kLongest = 4096;

}  // namespace

std::string LoginText::Unmarked() const {
  return absl::StrCat(kFirst, "\nestate ", estate.str(), "\noperator ",
                      who.str(), "\nserver ", server, "\nnonce ", nonce,
                      "\nuntil ", absl::ToUnixMillis(until), "\n");
}

std::string LoginText::Text() const {
  return absl::StrCat(Unmarked(), "mark ", mark, "\n");
}

absl::StatusOr<LoginText> LoginText::Parse(absl::string_view text) {
  const absl::Status bad = absl::InvalidArgumentError(
      "this is no login text of this version; ask for a new challenge");
  if (text.size() > kLongest) return bad;
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() != 8 || lines[0] != kFirst) return bad;
  LoginText read;
  int64_t until = 0;
  if (!absl::ConsumePrefix(&lines[1], "estate ") ||
      !absl::ConsumePrefix(&lines[2], "operator ") ||
      !absl::ConsumePrefix(&lines[3], "server ") ||
      !absl::ConsumePrefix(&lines[4], "nonce ") ||
      !absl::ConsumePrefix(&lines[5], "until ") ||
      !absl::ConsumePrefix(&lines[6], "mark ") ||
      !absl::SimpleAtoi(lines[5], &until)) {
    return bad;
  }
  read.estate = EstateId(lines[1]);
  read.who = OperatorId(lines[2]);
  read.server = std::string(lines[3]);
  read.nonce = std::string(lines[4]);
  read.until = absl::FromUnixMillis(until);
  read.mark = std::string(lines[6]);
  // Leading zeros, a last line too many: one form only.
  if (read.Text() != text) return bad;
  return read;
}

}  // namespace sluice
